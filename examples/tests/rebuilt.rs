//! The demo's storm, in which one of the killed processes finds its log damaged.

use std::process::Command;

#[test]
fn a_process_with_a_damaged_log_is_rebuilt_and_no_acknowledged_command_is_lost() {
    let demo = Command::new(env!("CARGO_BIN_EXE_demo"))
        .args(["--nodes", "3", "--json", "--storm", "12", "--damage"])
        .output()
        .expect("the demo starts");
    let told = String::from_utf8_lossy(&demo.stdout);
    let why = String::from_utf8_lossy(&demo.stderr);
    assert!(demo.status.success(), "{told}{why}");
    for said in ["\"rebuilt\":1", "\"lost\":0", "\"doubled\":0"] {
        assert!(told.contains(said), "{said} not in {told}");
    }
}
