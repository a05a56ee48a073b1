#!/bin/busybox sh
# The first process of the virtual machine: finds the file system of the machine around it, lays memory over it so
# that it can be written, and goes on there.
/bin/busybox mkdir -p /proc /sys /dev /machine /memory /sbin /usr/bin /usr/sbin
/bin/busybox --install -s
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
modprobe -a @modules@
mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=loose,ro machine /machine
mount -t tmpfs memory /memory
mkdir /memory/above /memory/work /memory/whole
mount -t overlay -o lowerdir=/machine,upperdir=/memory/above,workdir=/memory/work whole /memory/whole
root=/memory/whole
mount --move /proc $root/proc
mount --move /sys $root/sys
mount --move /dev $root/dev
# What the machine around runs at this moment is none of this one's business.
mount -t tmpfs run $root/run
mkdir -p $root/run/answers $root/lib/modules
mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000 answers $root/run/answers
mount --bind $root@kernel@ $root/lib/modules
# The kernel asks for modules by this path, and a container may lack it.
[ -e $root/sbin/modprobe ] || cp /bin/busybox $root/sbin/modprobe
exec switch_root $root /bin/sh /run/answers/run.sh
