//! The few bpf(2) calls that the harness needs for programs of its own: the only unsafe code of the benchmarks.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

use crate::instructions::Instruction;

/// Map types that are used here.
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
pub enum Kind {
    /// Values by index.
    Array = 2,
    /// Programs by index, for tail calls.
    Programs = 3,
    /// The kernel's hash that forgets what was not used for long.
    LruHash = 9,
    /// The kernel's longest-prefix match.
    LpmTrie = 11,
}

const MAP_CREATE: u32 = 0;
const MAP_LOOKUP: u32 = 1;
const MAP_UPDATE: u32 = 2;
const PROG_LOAD: u32 = 5;
const PROG_TEST_RUN: u32 = 10;
const MAP_FD_BY_ID: u32 = 14;
const INFO_BY_FD: u32 = 15;
const MAP_UPDATE_BATCH: u32 = 26;
const LINK_CREATE: u32 = 28;
const PROG_TYPE_XDP: u32 = 6;
const ATTACH_TYPE_XDP: u32 = 37;
/// Tries ask for it: their nodes are allocated one by one.
const NO_PREALLOCATION: u32 = 1;
/// A program may be tail-called only by one that says the same of frames in several buffers.
const HAS_FRAGMENTS: u32 = 1 << 5;

/// The leading part of `union bpf_attr` for `BPF_MAP_CREATE`.
#[repr(C)]
#[derive(Default)]
struct MapCreate {
    kind: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    flags: u32,
}

/// Creates a map.
pub fn map(kind: Kind, key_size: u32, value_size: u32, max_entries: u32) -> io::Result<OwnedFd> {
    let flags = if matches!(kind, Kind::LpmTrie) { NO_PREALLOCATION } else { 0 };
    let mut request = MapCreate { kind: kind as u32, key_size, value_size, max_entries, flags };
    Ok(descriptor(call(MAP_CREATE, &mut request)?))
}

/// `BPF_MAP_LOOKUP_ELEM` and `BPF_MAP_UPDATE_ELEM`.
#[repr(C)]
struct MapElement {
    map: u32,
    padding: u32,
    key: u64,
    value: u64,
    flags: u64,
}

/// Writes one entry. `key` and `value` are as long as the map's.
pub fn update(map: BorrowedFd<'_>, key: &[u8], value: &[u8]) -> io::Result<()> {
    let mut request = MapElement {
        map: map.as_raw_fd() as u32,
        padding: 0,
        key: key.as_ptr() as u64,
        value: value.as_ptr() as u64,
        flags: 0,
    };
    call(MAP_UPDATE, &mut request).map(drop)
}

/// `BPF_MAP_UPDATE_BATCH`.
#[repr(C)]
struct MapBatch {
    from: u64,
    to: u64,
    keys: u64,
    values: u64,
    count: u32,
    map: u32,
    element_flags: u64,
    flags: u64,
}

/// Writes so many entries, whose keys and values stand one after another. As many, and as long, as the map's.
pub fn update_many(map: BorrowedFd<'_>, count: u32, keys: &[u8], values: &[u8]) -> io::Result<()> {
    let mut request = MapBatch {
        from: 0,
        to: 0,
        keys: keys.as_ptr() as u64,
        values: values.as_ptr() as u64,
        count,
        map: map.as_raw_fd() as u32,
        element_flags: 0,
        flags: 0,
    };
    call(MAP_UPDATE_BATCH, &mut request).map(drop)
}

/// Reads one entry. `key` and `value` are as long as the map's.
pub fn lookup(map: BorrowedFd<'_>, key: &[u8], value: &mut [u8]) -> io::Result<()> {
    let mut request = MapElement {
        map: map.as_raw_fd() as u32,
        padding: 0,
        key: key.as_ptr() as u64,
        value: value.as_mut_ptr() as u64,
        flags: 0,
    };
    call(MAP_LOOKUP, &mut request).map(drop)
}

/// `BPF_PROG_LOAD`, up to the attach type.
#[repr(C)]
struct ProgLoad {
    kind: u32,
    instruction_count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
    ifindex: u32,
    attach_type: u32,
}

/// Loads an XDP program.
pub fn xdp(instructions: &[Instruction]) -> io::Result<OwnedFd> {
    let mut log = vec![0_u8; 1 << 16];
    let mut request = ProgLoad {
        kind: PROG_TYPE_XDP,
        instruction_count: instructions.len() as u32,
        instructions: instructions.as_ptr() as u64,
        license: c"Dual MIT/GPL".as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log: 0,
        kernel_version: 0,
        flags: HAS_FRAGMENTS,
        name: *b"harness\0\0\0\0\0\0\0\0\0",
        ifindex: 0,
        attach_type: ATTACH_TYPE_XDP,
    };
    if let Ok(loaded) = call(PROG_LOAD, &mut request) {
        return Ok(descriptor(loaded));
    }
    // Once more, to learn why not.
    (request.log_level, request.log_size, request.log) = (1, log.len() as u32, log.as_mut_ptr() as u64);
    match call(PROG_LOAD, &mut request) {
        Ok(loaded) => Ok(descriptor(loaded)),
        Err(error) => {
            let text: Vec<u8> = log.into_iter().take_while(|byte| *byte != 0).collect();
            Err(io::Error::new(error.kind(), format!("{error}\n{}", String::from_utf8_lossy(&text))))
        }
    }
}

/// `BPF_PROG_TEST_RUN`.
#[repr(C)]
#[derive(Default)]
struct TestRun {
    program: u32,
    result: u32,
    data_size_in: u32,
    data_size_out: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration_ns: u32,
    ctx_size_in: u32,
    ctx_size_out: u32,
    ctx_in: u64,
    ctx_out: u64,
    flags: u32,
    cpu: u32,
    batch_size: u32,
    padding: u32,
}

/// `BPF_F_TEST_XDP_LIVE_FRAMES`: what the program says about a frame is done to it.
const LIVE_FRAMES: u32 = 2;

/// Runs a program `repeat` times over one frame, which keeps what a run wrote into it for the next; ns a run.
///
/// The kernel's own mean is whole nanoseconds of wall-clock time; this is this thread's time on a CPU, which does not
/// count what others take meanwhile. Over enough runs the system call itself adds nothing that shows.
pub fn run(program: BorrowedFd<'_>, frame: &[u8], repeat: u32) -> io::Result<f64> {
    let begun = thread_time()?;
    test_run(program, frame, repeat, 0)?;
    Ok((thread_time()? - begun).as_nanos() as f64 / f64::from(repeat.max(1)))
}

fn thread_time() -> io::Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
}

/// Likewise with frames that are really dropped, passed or redirected, in the caller's network namespace.
pub fn run_live(program: BorrowedFd<'_>, frame: &[u8], repeat: u32) -> io::Result<()> {
    test_run(program, frame, repeat, LIVE_FRAMES).map(drop)
}

/// What a program says about one frame.
pub fn ask(program: BorrowedFd<'_>, frame: &[u8]) -> io::Result<u32> {
    test_run(program, frame, 1, 0)
}

fn test_run(program: BorrowedFd<'_>, frame: &[u8], repeat: u32, flags: u32) -> io::Result<u32> {
    let mut request = TestRun {
        program: program.as_raw_fd() as u32,
        data_size_in: frame.len() as u32,
        data_in: frame.as_ptr() as u64,
        repeat,
        flags,
        ..TestRun::default()
    };
    call(PROG_TEST_RUN, &mut request)?;
    Ok(request.result)
}

/// `BPF_OBJ_GET_INFO_BY_FD`.
#[repr(C)]
struct InfoByFd {
    object: u32,
    size: u32,
    info: u64,
}

/// `struct bpf_prog_info`; what is not used here has no name.
#[repr(C)]
#[derive(Default)]
struct ProgramInfo {
    _kind_to_load_time: [u64; 6],
    _created_by: u32,
    map_count: u32,
    map_ids: u64,
    _name_to_recursion: [u64; 19],
    verified_instructions: u32,
    _end: u32,
}

/// `struct bpf_map_info`, up to the name.
#[repr(C)]
#[derive(Default)]
struct MapInfo {
    kind: u32,
    id: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    flags: u32,
    name: [u8; 16],
}

fn info<T>(object: BorrowedFd<'_>, into: &mut T) -> io::Result<()> {
    let info = std::ptr::from_mut(into) as u64;
    call(INFO_BY_FD, &mut InfoByFd { object: object.as_raw_fd() as u32, size: size_of::<T>() as u32, info }).map(drop)
}

/// Instructions that the verifier walked through before it accepted a program.
pub fn verified_instructions(program: BorrowedFd<'_>) -> io::Result<u32> {
    let mut about = ProgramInfo::default();
    info(program, &mut about)?;
    Ok(about.verified_instructions)
}

/// A map of a loaded program.
#[derive(Debug)]
pub struct Found {
    /// Itself.
    pub map: OwnedFd,
    /// Values.
    pub entries: u32,
}

/// The map of this name that a program uses.
pub fn map_of(program: BorrowedFd<'_>, name: &str) -> io::Result<Found> {
    let mut ids = [0_u32; 64];
    let mut about =
        ProgramInfo { map_count: ids.len() as u32, map_ids: ids.as_mut_ptr() as u64, ..ProgramInfo::default() };
    info(program, &mut about)?;
    for id in &ids[..ids.len().min(about.map_count as usize)] {
        // `open_flags` is the third word of the request.
        let map = descriptor(call(MAP_FD_BY_ID, &mut [*id, 0, 0])?);
        let mut about = MapInfo::default();
        info(map.as_fd(), &mut about)?;
        if about.name.split(|byte| *byte == 0).next() == Some(name.as_bytes()) {
            return Ok(Found { map, entries: about.max_entries });
        }
    }
    Err(io::Error::new(io::ErrorKind::NotFound, format!("the program has no map `{name}`")))
}

/// `BPF_LINK_CREATE`.
#[repr(C)]
struct LinkCreate {
    program: u32,
    ifindex: u32,
    attach_type: u32,
    flags: u32,
}

/// Attaches an XDP program to an interface of the caller's network namespace, for as long as the link is kept.
pub fn attach(program: BorrowedFd<'_>, ifindex: u32) -> io::Result<OwnedFd> {
    let mut request =
        LinkCreate { program: program.as_raw_fd() as u32, ifindex, attach_type: ATTACH_TYPE_XDP, flags: 0 };
    Ok(descriptor(call(LINK_CREATE, &mut request)?))
}

/// bpf(2). Whatever memory a request points to is alive, and as long as the request says, while this runs.
#[expect(unsafe_code, reason = "std has no bpf(2)")]
fn call<T>(command: u32, request: &mut T) -> io::Result<i32> {
    // SAFETY: `request` is a prefix of `union bpf_attr` of the size that is passed; the kernel reads and writes no
    // more of it than that, and only this module makes requests, with pointers into borrowed slices.
    let result = unsafe {
        libc::syscall(libc::SYS_bpf, libc::c_long::from(command), std::ptr::from_mut(request), size_of::<T>())
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result as i32) }
}

#[expect(unsafe_code, reason = "a descriptor from the kernel becomes ours")]
fn descriptor(number: i32) -> OwnedFd {
    // SAFETY: bpf(2) has just returned this descriptor, so nobody else owns it.
    unsafe { OwnedFd::from_raw_fd(number) }
}
