//! Two honest ends and a wire that loses connections and breaks bytes: nothing is delivered twice
//! or out of order, nothing is acknowledged that was not delivered, and what was sent arrives.
#![no_main]

use std::collections::VecDeque;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use quorate_core::transport::{CloseReason, Priority};
use quorate_fuzz::{End, Told, exchange};

#[derive(Arbitrary, Debug)]
enum Act {
    Send { class: u8, len: u16 },
    Record,
    Deliver { len: u16 },
    Take,
    Corrupt { at: u16, bit: u8 },
    Reconnect,
    Wait { millis: u16 },
    Tick,
}

#[derive(Arbitrary, Debug)]
struct Input {
    acts: Vec<(bool, Act)>,
}

/// One direction: what its sender handed over and its receiver was told.
#[derive(Default)]
struct Way {
    wire: Vec<u8>,
    is_broken: bool,
    due: [VecDeque<(u64, Vec<u8>)>; 4],
    delivered: [u64; 4],
    sent: u8,
}

struct Pair {
    ends: [End; 2],
    /// By the end that sends.
    ways: [Way; 2],
}

impl Pair {
    /// Judges what an end was told. Broken bytes are TLS's to find: past it either end may be told
    /// anything, begin its session anew, and say of the other what no honest end says.
    fn judge(&mut self, at: usize) {
        let other = 1 - at;
        let told = std::mem::take(&mut self.ends[at].told);
        if self.ways.iter().any(|way| way.is_broken) {
            return;
        }
        for told in told {
            match told {
                Told::Message(class, body) => {
                    let way = &mut self.ways[other];
                    let due = way.due[class as usize].pop_front();
                    let (number, due) = due.expect("nothing was due");
                    assert!(due == body, "message {number} is not the one that was sent");
                    way.delivered[class as usize] = number;
                }
                Told::Acked(class, number) => {
                    let delivered = self.ways[at].delivered[class as usize];
                    let due = self.ways[at].due[class as usize].front();
                    let is_early = due.is_some_and(|(due, _)| *due <= number);
                    assert!(!is_early, "{number} acknowledged, {delivered} delivered");
                }
                Told::Lost => panic!("the session began anew"),
                Told::Closed(reason) => {
                    let is_fault = matches!(reason, CloseReason::Fault(_));
                    assert!(!is_fault, "an honest end is accused: {reason:?}");
                }
            }
        }
    }

    fn reconnect(&mut self) {
        for (end, way) in self.ends.iter_mut().zip(&mut self.ways) {
            end.reconnect();
            way.wire.clear();
        }
    }

    fn act(&mut self, at: usize, act: Act) {
        let (end, way) = (&mut self.ends[at], &mut self.ways[at]);
        match act {
            Act::Send { class, len } => {
                let class = Priority::ALL[usize::from(class % 4)];
                way.sent = way.sent.wrapping_add(1);
                let body = vec![way.sent; usize::from(len % 20_000)];
                if let Some(number) = end.send(class, &body) {
                    way.due[class as usize].push_back((number, body));
                }
            }
            Act::Record => way.wire.extend(end.record()),
            Act::Deliver { len } => {
                let len = usize::from(len).min(way.wire.len());
                let bytes: Vec<u8> = way.wire.drain(..len).collect();
                if !self.ends[1 - at].is_closed() {
                    self.ends[1 - at].receive(&bytes);
                }
                self.judge(1 - at);
            }
            Act::Take => end.take(),
            Act::Corrupt { at, bit } => {
                if let Some(byte) = way.wire.get_mut(usize::from(at)) {
                    *byte ^= 1 << (bit % 8);
                    way.is_broken = true;
                }
            }
            Act::Reconnect => self.reconnect(),
            Act::Wait { millis } => {
                for end in &mut self.ends {
                    end.now = end.now + std::time::Duration::from_millis(millis.into());
                }
            }
            Act::Tick => {
                end.tick();
                self.judge(at);
            }
        }
    }

    /// Over a good connection everything arrives.
    fn settle(mut self) {
        if self.ways.iter().any(|way| way.is_broken) {
            return;
        }
        self.reconnect();
        for _ in 0..200 {
            for at in 0..2 {
                let [a, b] = &mut self.ends;
                let (from, to) = if at == 0 { (a, b) } else { (b, a) };
                exchange(from, to);
                for _ in 0..64 {
                    to.take();
                }
                self.judge(1 - at);
            }
        }
        for way in &self.ways {
            assert!(
                way.due.iter().all(VecDeque::is_empty),
                "something did not arrive"
            );
        }
    }
}

fuzz_target!(|input: Input| {
    let mut pair = Pair {
        ends: End::pair(),
        ways: Default::default(),
    };
    for (at, act) in input.acts {
        pair.act(usize::from(at), act);
    }
    pair.settle();
});
