//! Any bytes, in any pieces, before and after the introduction: an end tells what they are and
//! never fails; what it keeps of them is bounded by what they are.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use quorate_fuzz::{End, exchange};

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    is_introduced: bool,
    piece: u16,
    bytes: &'a [u8],
}

fuzz_target!(|input: Input<'_>| {
    let mut end = if input.is_introduced {
        let [end, mut other] = End::pair();
        let mut end = end;
        let _number = end.send(quorate_core::transport::Priority::High, b"something");
        exchange(&mut end, &mut other);
        end
    } else {
        End::new(1)
    };
    for piece in input.bytes.chunks(usize::from(input.piece).max(1)) {
        end.receive(piece);
        if end.is_closed() {
            return;
        }
        // Whatever it answers is well formed and ends.
        for _ in 0..64 {
            if end.record().is_empty() {
                break;
            }
        }
    }
});
