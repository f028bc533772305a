//! What it was measured on, with what, and when.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) system: String,
    pub(crate) rustc: String,
    pub(crate) date: String,
    pub(crate) command: String,
}

impl Machine {
    pub(crate) fn here() -> Self {
        let args: String = std::env::args()
            .skip(1)
            .map(|arg| format!(" {arg}"))
            .collect();
        let command = "cargo run --release --example compare".to_owned();
        Self {
            cpu: cpu(),
            cores: cores(),
            system: system(),
            rustc: rustc(),
            date: today(),
            command: match args.is_empty() {
                true => command,
                false => format!("{command} --{args}"),
            },
        }
    }

    /// All of it in one line.
    pub(crate) fn line(&self) -> String {
        let Self { cpu, cores, .. } = self;
        format!(
            "{cpu}, {cores} cores, {}; {}; {}",
            self.system, self.rustc, self.date
        )
    }
}

pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

fn cpu() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    match (field("model name"), field("cpu family"), field("model\t")) {
        // A cloud's name for it does not say which one it is.
        (Some(name), Some(family), Some(model)) => {
            format!("{name} (family {family}, model {model})")
        }
        (Some(name), ..) => name,
        _ => std::env::consts::ARCH.to_owned(),
    }
}

fn system() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{} {}", std::env::consts::OS, release.trim())
        .trim()
        .to_owned()
}

fn rustc() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-V").output();
    let text = output
        .ok()
        .and_then(|out| String::from_utf8(out.stdout).ok());
    text.map_or("rustc unknown".to_owned(), |text| text.trim().to_owned())
}

fn today() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let days = since.map_or(0, |since| since.as_secs() / 86_400);
    let (year, month, day) = civil(days);
    format!("{year}-{month:02}-{day:02}")
}

/// The date so many days after 1970-01-01 (Hinnant, *chrono-compatible low-level date
/// algorithms*, days after 0000-03-01 in eras of 400 years).
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Years begin in March, so that the leap day is their last.
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}
