//! What this process has used of the machine: processor time and memory, as far as the operating
//! system tells.

use std::fs;
use std::time::{Duration, Instant};

/// The kernel counts processor time in hundredths of a second, whatever its own clock does.
const TICK: Duration = Duration::from_millis(10);

/// A measurement under way.
#[derive(Clone, Copy, Debug)]
pub struct Meter {
    begun: Instant,
    cpu: Option<Duration>,
}

/// What a piece of work has used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// By the clock on the wall.
    pub wall: Duration,
    /// By the processors, all threads together; none where the system does not tell.
    pub cpu: Option<Duration>,
    /// The most memory held at once, in bytes; of the whole process so far where the system cannot
    /// forget an earlier peak.
    pub peak_bytes: Option<u64>,
}

impl Meter {
    /// Begins to measure.
    #[must_use]
    pub fn start() -> Meter {
        // Linux forgets the peak so far when told "5"; elsewhere there is no such file.
        let _ = fs::write("/proc/self/clear_refs", "5");
        Meter {
            begun: Instant::now(),
            cpu: cpu_time(),
        }
    }

    /// What was used since the start.
    #[must_use]
    pub fn stop(self) -> Used {
        let cpu = self.cpu.and_then(|before| cpu_time()?.checked_sub(before));
        Used {
            wall: self.begun.elapsed(),
            cpu,
            peak_bytes: peak_bytes(),
        }
    }
}

/// How many processes wanted a core lately, as the system says it.
#[must_use]
pub fn load() -> Option<String> {
    let text = fs::read_to_string("/proc/loadavg").ok()?;
    text.split_whitespace().next().map(str::to_string)
}

fn cpu_time() -> Option<Duration> {
    let text = fs::read_to_string("/proc/self/stat").ok()?;
    user_ticks(&text).map(|ticks| TICK * ticks)
}

fn peak_bytes() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}

/// User and system time of a `stat` file: its fields 14 and 15. The second field is the program's
/// name in parentheses, which may hold anything.
fn user_ticks(stat: &str) -> Option<u32> {
    let behind = &stat[stat.rfind(')')? + 1..];
    let mut fields = behind.split_whitespace().skip(11);
    let (user, system) = (fields.next()?, fields.next()?);
    Some(user.parse::<u32>().ok()? + system.parse::<u32>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_found_behind_any_name() {
        let stat = "42 (a ) b) R 1 2 3 4 5 6 7 8 9 10 700 30 0 0 20";
        assert_eq!(user_ticks(stat), Some(730));
        assert_eq!(user_ticks("42 (x) R 1"), None);
        assert_eq!(user_ticks(""), None);
    }
}
