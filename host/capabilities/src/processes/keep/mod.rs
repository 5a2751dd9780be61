//! `asgard keep FOLDER`: runs around one process, so that it outlives the host and its exit status is found by the next.
//!
//! The keeper is a small process of one thread and one loop. It leads a session of its own, so what ends the host (a
//! closed terminal, a signal to its group) does not reach it; it starts the program as the leader of a process group;
//! and it is the *subreaper* of all that the program starts: a child that forks twice and leaves every group is handed to
//! the keeper by the kernel, found in the table of processes, and ended. It enforces the timeout, writes the output, and
//! leaves the exit status behind with one rename.
//!
//! | file of the folder | what it says |
//! | --- | --- |
//! | `launch.json` | what to run; written by the host |
//! | `keeper.lock` | locked as long as the keeper lives: liveness needs no guess about process ids |
//! | `keeper.json` | the keeper's process id and start time, for ending one that hangs |
//! | `control` | a FIFO; a byte written to it ends the process. Opening it fails when there is no keeper |
//! | `output/` | standard output and standard error together; of a stream, standard output alone |
//! | `exit.json` | how it ended |
//!
//! A service is tied to its host: the keeper's standard input is a pipe that the host holds open, and its end, however the
//! host came to it, ends the service. Ending beats readopting: a service of a host that is gone would keep its port and
//! the locks on its data, and the next host starts it again within seconds anyway. (The kernel's parent-death signal
//! would not do: it fires when the *thread* ends that started the keeper, and a runtime's threads come and go.)

mod descendants;
mod launch;
mod standard_error;

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, WaitStatus};

use super::folder::{Exit, Folder, KeeperMark, Launch};
use super::output::OutputWriter;
use super::{Ending, proc};
use standard_error::StandardError;

/// The first line of the keeper's standard output when the program runs.
pub(super) const STARTED: &str = "started";

/// How often children are collected that were handed over: a zombie costs a process id only.
const REAPING: Duration = Duration::from_secs(5);

/// How often a stream looks whether its reader made room.
const HELD: Duration = Duration::from_millis(20);

/// A process that waits for a dead disk does not even die by `SIGKILL`; the exit status does not wait for it.
const UNKILLABLE: Duration = Duration::from_secs(10);

/// Runs the process that `folder` describes, to its end. The process exits with what this returns.
pub fn run(folder: &Path) -> ExitCode {
    let folder = Folder::new(folder);
    if let Ok(keeper) = std::env::var(launch::STAGE) {
        let error = launch::become_program(&folder, &keeper);
        // Standard error is the process's output by now.
        eprintln!("{error}");
        // What shells say for a program that cannot be run.
        return ExitCode::from(127);
    }
    match keep(&folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            announce(&format!("the keeper of {} cannot work: {error}", folder.path().display()));
            ExitCode::FAILURE
        }
    }
}

/// One line for the host that waits for it. A host that is gone by now changes nothing.
fn announce(line: &str) {
    let _ = writeln!(io::stdout(), "{}", line.replace('\n', " "));
}

fn keep(folder: &Folder) -> io::Result<()> {
    // Fails only where the keeper leads a group already, which serves as well.
    let _ = rustix::process::setsid();
    let _lock = lock(folder)?;
    let own = rustix::process::getpid();
    rustix::process::set_child_subreaper(Some(own))?;
    let launch = folder.read_launch()?;
    folder.clear_exit()?;
    let control = folder.open_control()?;
    let (output, write_end) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let (errors, errors_end) = if launch.stream {
        let (errors, end) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        (Some(StandardError::new(File::from(errors), folder.standard_error())), end)
    } else {
        (None, write_end.try_clone()?)
    };
    let program = spawn(own, write_end, errors_end)?;
    let start_time = proc::start_time(own).unwrap_or(0);
    folder.write_keeper(&KeeperMark { pid: own.as_raw_nonzero().get(), start_time })?;
    announce(STARTED);

    let watch = Watch {
        pidfd: rustix::process::pidfd_open(program, PidfdFlags::empty())?,
        output: File::from(output),
        control,
        // Of a stream nothing goes before it was read.
        log: OutputWriter::open(&folder.output(), if launch.stream { usize::MAX } else { launch.output_segments })?,
        most_segments: launch.stream.then_some(launch.output_segments),
        errors,
        program,
        status: None,
        ending: None,
        kill_at: None,
    };
    folder.write_exit(watch.run(&launch))
}

/// The lock is held for an instant by a host that looks, and to its end by another keeper.
fn lock(folder: &Folder) -> io::Result<File> {
    for _ in 0..20 {
        if let Some(lock) = folder.lock()? {
            return Ok(lock);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Err(io::Error::other("it is kept already"))
}

/// Starts this very binary once more, as the leader of a process group; it becomes the program. See [`launch`].
fn spawn(own: Pid, output: OwnedFd, errors: OwnedFd) -> io::Result<Pid> {
    let child = Command::new("/proc/self/exe")
        .args(std::env::args_os().skip(1))
        .env(launch::STAGE, own.as_raw_nonzero().get().to_string())
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .process_group(0)
        .spawn()?;
    i32::try_from(child.id())
        .ok()
        .and_then(Pid::from_raw)
        .ok_or_else(|| io::Error::other("the child has no process id"))
}

/// A running program.
struct Watch {
    pidfd: OwnedFd,
    output: File,
    control: File,
    log: OutputWriter,
    /// Of a stream: more of them are not written before some were read.
    most_segments: Option<usize>,
    /// Of a stream.
    errors: Option<StandardError>,
    program: Pid,
    status: Option<WaitStatus>,
    /// Why it is being ended.
    ending: Option<Ending>,
    /// When patience with a program that was told to end is over.
    kill_at: Option<Instant>,
}

impl Watch {
    fn run(mut self, launch: &Launch) -> Exit {
        let deadline = launch.timeout_ms.map(|ms| Instant::now() + Duration::from_millis(ms));
        let grace = Duration::from_millis(launch.grace_ms);
        let mut output_is_open = true;
        let mut tied = launch.tied_to_host;
        while self.status.is_none() {
            let next = [self.kill_at, deadline.filter(|_| self.ending.is_none())].into_iter().flatten().min();
            // A pipe that nobody empties is what the program waits for.
            let held = output_is_open && self.most_segments.is_some_and(|most| self.log.is_full(most));
            let longest = if held { HELD } else { REAPING };
            let wait = next.map_or(longest, |at| at.saturating_duration_since(Instant::now()).min(longest));
            let ready = self.wait(wait, output_is_open && !held, tied);
            if ready.output {
                output_is_open = self.copy_output();
            }
            if ready.errors {
                self.copy_errors();
            }
            if ready.stop {
                let _ = self.control.read(&mut [0; 64]);
            }
            tied &= !ready.host_gone;
            if ready.stop || ready.host_gone {
                self.end(Ending::Stopped, grace);
            }
            let now = Instant::now();
            if deadline.is_some_and(|at| at <= now) {
                self.end(Ending::Timeout, grace);
            }
            if self.kill_at.is_some_and(|at| at <= now) {
                descendants::kill_all(self.program);
                self.kill_at = None;
            }
            self.reap();
        }
        // Whatever the program left behind ends with it.
        descendants::kill_all(self.program);
        let patience = Instant::now() + UNKILLABLE;
        while !self.reap() && Instant::now() < patience {
            descendants::kill_all(self.program);
            std::thread::sleep(Duration::from_millis(2));
        }
        while output_is_open && self.wait(Duration::ZERO, true, false).output {
            output_is_open = self.copy_output();
        }
        while self.errors.is_some() && self.wait(Duration::ZERO, false, false).errors {
            self.copy_errors();
        }
        match (self.ending, self.status.and_then(|status| status.exit_status())) {
            (Some(ending), _) => Exit::Ended(ending),
            (None, Some(code)) => Exit::Exited(code),
            (None, None) => Exit::Ended(Ending::Signal),
        }
    }

    /// Tells the program to end; the first reason counts.
    fn end(&mut self, why: Ending, grace: Duration) {
        if self.ending.is_none() {
            self.ending = Some(why);
            self.kill_at = Some(Instant::now() + grace);
            let _ = rustix::process::kill_process_group(self.program, Signal::TERM);
        }
    }

    fn wait(&self, limit: Duration, output: bool, tied: bool) -> Ready {
        let stdin = io::stdin();
        let mut fds = vec![PollFd::new(&self.pidfd, PollFlags::IN), PollFd::new(&self.control, PollFlags::IN)];
        // What has ended must not be asked: it would answer at once, every time.
        let output_at = output.then(|| {
            fds.push(PollFd::new(&self.output, PollFlags::IN));
            fds.len() - 1
        });
        let errors_at = self.errors.as_ref().map(|errors| {
            fds.push(PollFd::new(errors.pipe(), PollFlags::IN));
            fds.len() - 1
        });
        let tie_at = tied.then(|| {
            fds.push(PollFd::from_borrowed_fd(stdin.as_fd(), PollFlags::IN));
            fds.len() - 1
        });
        let limit = Timespec { tv_sec: limit.as_secs() as i64, tv_nsec: i64::from(limit.subsec_nanos()) };
        match poll(&mut fds, Some(&limit)) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ready::default(),
            // Not a busy loop, whatever is wrong.
            Err(_) => std::thread::sleep(Duration::from_millis(100)),
        }
        let happened = |at: Option<usize>| at.and_then(|at| fds.get(at)).is_some_and(|fd| !fd.revents().is_empty());
        Ready {
            stop: happened(Some(1)),
            output: happened(output_at),
            errors: happened(errors_at),
            host_gone: happened(tie_at),
        }
    }

    /// False at the end of the output.
    fn copy_output(&mut self) -> bool {
        let mut data = [0; 64 << 10];
        match self.output.read(&mut data) {
            Ok(0) => false,
            Ok(read) => {
                // A full disk must not stop the program: its output is lost, its work is not. The work of a stream is its output.
                if let Err(error) = self.log.write(data.get(..read).unwrap_or_default())
                    && let Some(errors) = &mut self.errors
                {
                    errors.add(format!("\nits output could not be kept: {error}\n").as_bytes());
                    self.end(Ending::Signal, Duration::ZERO);
                }
                true
            }
            Err(error) => error.kind() == io::ErrorKind::Interrupted,
        }
    }

    fn copy_errors(&mut self) {
        if self.errors.as_mut().is_some_and(|errors| !errors.copy()) {
            self.errors = None;
        }
    }

    /// Collects ended children; true when there are none left.
    fn reap(&mut self) -> bool {
        loop {
            match rustix::process::wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if pid == self.program => self.status = Some(status),
                Ok(Some(_)) | Err(Errno::INTR) => {}
                Ok(None) => return false,
                Err(_) => return true,
            }
        }
    }
}

#[derive(Default)]
struct Ready {
    stop: bool,
    output: bool,
    errors: bool,
    host_gone: bool,
}
