//! Whatever claims to be a message of a node or a log of records: it is decoded or refused, and
//! what is decoded is encoded to what decodes to it again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quorate_core::durable::wal;
use quorate_core::id::Lsn;
use quorate_core::wire::Message;

fuzz_target!(|input: &[u8]| {
    let _refused_or_not = wal::scan(input, Lsn(1));
    let Some((code, body)) = input.split_first() else {
        return;
    };
    if let Ok(message) = Message::decode(*code, body) {
        let mut again = Vec::new();
        let code = message.encode(&mut again);
        assert_eq!(Message::decode(code, &again), Ok(message));
    }
});
