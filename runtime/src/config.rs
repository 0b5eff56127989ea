//! `quorate.toml`: the keys of the core's [`Config`], laid over a preset.
//!
//! A file states only what differs. Times are texts with a unit (`"500ms"`, `"2s"`), or the table
//! `{ secs, nanos }`. `cluster` and `node` come from the certificate; a file that says otherwise is
//! refused, not obeyed. The core knows nothing of two tables: `[recorder]` sets a flight recorder
//! going, `[discovery]` says where other members may be found.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use quorate_core::node::Config;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use toml::{Table, Value};

use crate::discovery::{Discovery, Multicast, SeedName};
use crate::error::ConfigFileError;
use crate::identity::Name;
use crate::recorder::{RECORDINGS_DIRECTORY, Recording};

/// The configuration file's name.
pub const CONFIG_FILE: &str = "quorate.toml";

/// What a configuration file, or its absence, amounts to.
#[derive(Debug)]
pub(crate) struct FromFile {
    pub(crate) config: Config,
    /// Whether the file sets `address`.
    pub(crate) sets_address: bool,
    pub(crate) recording: Option<Recording>,
    pub(crate) discovery: Discovery,
}

/// The table `[discovery]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct DiscoveryTable {
    seeds: Vec<SeedName>,
    #[serde(deserialize_with = "duration")]
    refresh: Duration,
    multicast: Option<Multicast>,
}

impl From<DiscoveryTable> for Discovery {
    fn from(table: DiscoveryTable) -> Discovery {
        let DiscoveryTable {
            seeds,
            refresh,
            multicast,
        } = table;
        Discovery {
            seeds,
            refresh,
            multicast,
        }
    }
}

impl Default for DiscoveryTable {
    fn default() -> DiscoveryTable {
        let Discovery {
            seeds,
            refresh,
            multicast,
        } = Discovery::default();
        DiscoveryTable {
            seeds,
            refresh,
            multicast,
        }
    }
}

/// A time as files write it.
pub(crate) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let malformed = || format!("\"{text}\" is no time; write it like \"500ms\" or \"2s\"");
    parse_duration(&text).ok_or_else(|| serde::de::Error::custom(malformed()))
}

/// The table `[recorder]`; its presence sets the recorder going.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RecorderTable {
    directory: Option<PathBuf>,
    bytes_max: Option<u64>,
    lives_max: Option<u32>,
}

impl RecorderTable {
    /// Its paths are relative to the directory of the file.
    fn recording(self, home: &Path) -> Recording {
        let directory = self.directory.unwrap_or(RECORDINGS_DIRECTORY.into());
        let default = Recording::new(home.join(directory));
        Recording {
            bytes_max: self.bytes_max.unwrap_or(default.bytes_max),
            lives_max: self.lives_max.unwrap_or(default.lives_max),
            ..default
        }
    }
}

/// Lays the file over `preset` if it exists. Blocks.
pub(crate) fn load(file: &Path, preset: Config, name: &Name) -> Result<FromFile, ConfigFileError> {
    match std::fs::read_to_string(file) {
        Ok(text) => overlay(file, &text, preset, name),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(FromFile {
            config: preset,
            sets_address: false,
            recording: None,
            discovery: Discovery::default(),
        }),
        Err(error) => Err(ConfigFileError::Unreadable {
            file: file.to_owned(),
            error,
        }),
    }
}

fn overlay(
    file: &Path,
    text: &str,
    preset: Config,
    name: &Name,
) -> Result<FromFile, ConfigFileError> {
    let malformed = |what: String| ConfigFileError::Malformed {
        file: file.to_owned(),
        what,
    };
    let mut stated: Table = text
        .parse()
        .map_err(|error: toml::de::Error| malformed(error.to_string()))?;
    let sets_address = stated.contains_key("address");
    let recorder = section::<RecorderTable>(&mut stated, "recorder").map_err(malformed)?;
    let recording = recorder.map(|it| it.recording(file.parent().unwrap_or(Path::new(""))));
    let discovery = section::<DiscoveryTable>(&mut stated, "discovery").map_err(malformed)?;
    let discovery = discovery.map(Discovery::from).unwrap_or_default();
    let mut merged = Table::try_from(&preset).map_err(|error| malformed(error.to_string()))?;
    merge(&mut merged, stated, "").map_err(malformed)?;
    let config: Config = merged
        .try_into()
        .map_err(|error: toml::de::Error| malformed(error.to_string()))?;
    let contradiction =
        |key, file_says: String, certificate_says: String| ConfigFileError::Contradiction {
            file: file.to_owned(),
            key,
            file_says,
            certificate_says,
        };
    if config.node != name.node {
        return Err(contradiction(
            "node",
            config.node.to_string(),
            name.node.to_string(),
        ));
    }
    if config.cluster != name.cluster {
        return Err(contradiction(
            "cluster",
            config.cluster.to_string(),
            name.cluster.to_string(),
        ));
    }
    Ok(FromFile {
        config,
        sets_address,
        recording,
        discovery,
    })
}

/// Takes a table of its own out of a file, if it is there.
fn section<T: DeserializeOwned>(stated: &mut Table, name: &str) -> Result<Option<T>, String> {
    let table = stated.remove(name).map(Value::try_into::<T>).transpose();
    table.map_err(|error| format!("{name}: {error}"))
}

/// Replaces in `base` what `stated` says, table by table; `path` leads to them, for messages.
fn merge(base: &mut Table, stated: Table, path: &str) -> Result<(), String> {
    for (key, value) in stated {
        let full = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        match (base.get_mut(&key), value) {
            (Some(Value::Table(old)), Value::String(text)) if is_duration(old) => {
                *old = duration_table(&full, &text)?;
            }
            (Some(Value::Table(old)), Value::Table(new)) => merge(old, new, &full)?,
            (Some(Value::Table(old)), value) if is_duration(old) => {
                return Err(format!(
                    "{full}: expected a time such as \"500ms\", found {value}"
                ));
            }
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
    Ok(())
}

fn is_duration(table: &Table) -> bool {
    table.len() == 2 && table.contains_key("secs") && table.contains_key("nanos")
}

fn duration_table(key: &str, text: &str) -> Result<Table, String> {
    let duration = parse_duration(text).ok_or_else(|| {
        format!("{key}: \"{text}\" is no time; write it like \"500ms\" or \"2s\"")
    })?;
    Table::try_from(duration).map_err(|error| format!("{key}: {error}"))
}

/// A whole number and a unit: `us`, `ms`, `s`, `m`, `h`.
fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    match unit.trim() {
        "us" => Some(Duration::from_micros(number)),
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        "h" => number.checked_mul(3600).map(Duration::from_secs),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use quorate_core::id::{ClusterId, NodeId};

    use super::*;

    fn name() -> Name {
        Name {
            node: NodeId(1),
            cluster: ClusterId::new("test").expect("a name"),
        }
    }

    fn read(text: &str) -> Result<Config, String> {
        read_file(text).map(|from_file| from_file.config)
    }

    fn read_file(text: &str) -> Result<FromFile, String> {
        let name = name();
        let address = "127.0.0.1:7000".parse().expect("an address");
        let preset = Config::lan(name.cluster.clone(), name.node, address);
        overlay(Path::new("home/quorate.toml"), text, preset, &name)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_states_only_what_differs() {
        let config = read(
            "voters = [1, 2, 3]\nzone = \"rack-7\"\n[membership]\nprobe_interval = \"250ms\"\n\
             [[roles]]\nname = \"primary\"\nplacement = \"leader\"\n[raft]\nuncommitted_max = 99\n",
        )
        .expect("well formed");
        assert_eq!(config.voters, [NodeId(1), NodeId(2), NodeId(3)]);
        assert_eq!(config.zone.expect("set").as_str(), "rack-7");
        assert_eq!(config.membership.probe_interval, Duration::from_millis(250));
        assert_eq!(config.membership.probe_timeout, Duration::from_millis(500));
        assert_eq!(config.roles[0].name.as_str(), "primary");
        assert_eq!(config.raft.uncommitted_max, 99);
    }

    #[test]
    fn a_table_sets_the_recorder_going() {
        let recording = |text| read_file(text).map(|from_file| from_file.recording);
        assert_eq!(recording("voters = [1]"), Ok(None));
        let default = Recording::new("home/recordings");
        assert_eq!(recording("[recorder]"), Ok(Some(default)));
        let stated = Recording {
            directory: "/var/lives".into(),
            bytes_max: 65_536,
            lives_max: 2,
        };
        let text = "[recorder]\ndirectory = \"/var/lives\"\nbytes_max = 65536\nlives_max = 2";
        assert_eq!(recording(text), Ok(Some(stated)));
    }

    #[test]
    fn a_table_says_where_members_may_be_found() {
        let discovery = |text| read_file(text).map(|from_file| from_file.discovery);
        assert_eq!(discovery("voters = [1]"), Ok(Discovery::default()));
        let text = "[discovery]\nseeds = [\"db.example.org:7000\", \"[::1]:7\"]\nrefresh = \"5s\"\n\
                    [discovery.multicast]\ninterface = \"127.0.0.1\"\ninterval = \"250ms\"";
        let stated = Discovery {
            seeds: ["db.example.org:7000", "[::1]:7"]
                .map(|name| name.parse().expect("a seed"))
                .to_vec(),
            refresh: Duration::from_secs(5),
            multicast: Some(Multicast {
                interface: Some([127, 0, 0, 1].into()),
                interval: Duration::from_millis(250),
                ..Multicast::default()
            }),
        };
        assert_eq!(discovery(text), Ok(stated));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, part) in [
            (
                "[membership]\nprobe_interval = \"soon\"",
                "membership.probe_interval",
            ),
            (
                "[membership]\nprobe_interval = 5",
                "membership.probe_interval",
            ),
            ("[raft]\nheartbeet = \"5ms\"", "heartbeet"),
            ("voters = [", "quorate.toml"),
            ("[recorder]\nlifes_max = 3", "lifes_max"),
            ("[recorder]\nbytes_max = -1", "recorder"),
            ("recorder = true", "recorder"),
            ("discovery = true", "discovery"),
            (
                "[discovery]\nseeds = [\"nowhere\"]",
                "db-0.example.org:7000",
            ),
            ("[discovery]\nrefresh = 5", "discovery"),
            ("[discovery.multicast]\ngroup = \"x\"", "group"),
            ("node = 7", "the certificate says n1"),
            ("cluster = \"other\"", "the certificate says test"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.contains(part), "{part} not in {error}");
        }
    }
}
