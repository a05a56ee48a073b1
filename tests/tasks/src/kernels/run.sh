# The second half of the virtual machine's start, and its jobs: each leaves what it said, and with which code it ended,
# for the machine around to read.
export RUST_TEST_NOCAPTURE=1 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
answers=/run/answers
mkdir -p /dev/shm /dev/pts
mount -t tmpfs shm /dev/shm
mount -t devpts pts /dev/pts
ip link set lo up
echo "   Linux $(uname -r), $(nproc) processors, up after $(cut -d. -f1 /proc/uptime) s"
while read -r name command; do
    begun=$(cut -d. -f1 /proc/uptime)
    { sh -c "exec env $command" </dev/null; echo $? >$answers/$name.ended; } 2>&1 | tee $answers/$name.log |
        grep --line-buffered -v '^$'
    echo "   $name: $(($(cut -d. -f1 /proc/uptime) - begun)) s"
done <$answers/jobs
dmesg >$answers/kernel.log
echo o >/proc/sysrq-trigger
# No program can be started any more, and the first process must not end.
while :; do :; done
