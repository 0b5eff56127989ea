use super::*;

#[test]
fn a_seed_is_a_host_and_a_port() {
    for text in [
        "db-0.example.org:7000",
        "10.0.0.7:1",
        "[2001:db8::7]:65535",
        "my_pod:7000",
    ] {
        let name: SeedName = text.parse().expect(text);
        assert_eq!(name.to_string(), text);
    }
    let bracketed: SeedName = "[::1]:7".parse().expect("an address");
    assert_eq!((bracketed.host(), bracketed.port()), ("::1", 7));
    let long = format!("{}:1", "a".repeat(254));
    for text in [
        "",
        ":7000",
        "host",
        "host:",
        "host:0",
        "host:65536",
        "host:7000 ",
        "a b:1",
        "::1:7",
        "[::1:7",
        "[x]:7",
        "http://a:1",
        &long,
    ] {
        let error = text.parse::<SeedName>().expect_err(text);
        assert!(
            error.to_string().contains("db-0.example.org:7000"),
            "{error}"
        );
    }
}

#[test]
fn what_is_out_of_bounds_is_named() {
    let mut discovery = Discovery {
        multicast: Some(Multicast::default()),
        ..Discovery::default()
    };
    assert_eq!(discovery.problems(), []);
    discovery.refresh = Duration::from_millis(999);
    discovery.multicast = Some(Multicast {
        group: "10.0.0.1:7946".parse().expect("an address"),
        interval: Duration::from_secs(3601),
        ..Multicast::default()
    });
    let keys: Vec<_> = discovery
        .problems()
        .iter()
        .map(|problem| problem.key)
        .collect();
    let expected = [
        "discovery.refresh",
        "discovery.multicast.interval",
        "discovery.multicast.group",
    ];
    assert_eq!(keys, expected);
}

#[test]
fn the_system_resolves_localhost_to_loopback() {
    let found = system_resolver()("localhost", 7000).expect("every host has it");
    assert!(
        !found.is_empty()
            && found
                .iter()
                .all(|it| it.ip().is_loopback() && it.port() == 7000)
    );
}
