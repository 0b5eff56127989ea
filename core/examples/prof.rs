use quorate_core::id::{ClusterId, NodeId, Peer};
use quorate_core::node;
use quorate_core::time::Time;
use quorate_core::transport::*;
use std::time::Instant;
struct End { link: Link, session: Session, record: Vec<u8> }
fn end(n: u64) -> End {
    let cluster = ClusterId::new("bench").unwrap();
    let address = ([127, 0, 0, 1], 9).into();
    let config = node::Config::lan(cluster.clone(), NodeId(n), address).transport;
    let hello = Hello { versions: VersionRange::OURS, cluster, peer: Peer { node: NodeId(n), boot: 1 }, address };
    End { link: Link::new(config.clone(), hello, None, Time(1)), session: Session::new(config), record: Vec::new() }
}
fn main() {
    let len: usize = std::env::args().nth(1).map_or(64, |s| s.parse().unwrap());
    let total: u64 = std::env::args().nth(2).map_or(20_000_000, |s| s.parse().unwrap());
    let (mut a, mut b) = (end(1), end(2));
    let body = vec![7u8; len];
    let mut now = 1u64;
    let (mut sent, mut got) = (0u64, 0u64);
    let (mut t_sub, mut t_tx, mut t_rx, mut t_ack) = (0u128, 0u128, 0u128, 0u128);
    let mut wire: Vec<Vec<u8>> = Vec::new();
    while got < total {
        now += 20_000;
        let t = Instant::now();
        if sent > 0 || a.session.peer().is_some() {
        while sent < total {
            match a.session.submit(Time(now), Priority::Normal, Outgoing::Message { body: &body, deadline: None }) { Ok(_) => sent += 1, Err(_) => break }
        } }
        let t1 = Instant::now();
        wire.clear();
        loop { let n = a.link.transmit(Time(now), &mut a.session, &mut a.record, |p| wire.push(p.to_vec())); if n == 0 || wire.len() > 8 { break; } }
        let t2 = Instant::now();
        let mut consumed = 0;
        for w in &wire {
            let s = &mut b.session;
            b.link.receive(Time(now + 10_000), w, s, &mut |o| { if let Output::Message { cost, body, .. } = o { consumed += cost; assert!(body.len() == len); got += 1; } });
        }
        if consumed > 0 { b.session.consume(Time(now + 10_000), Priority::Normal, consumed); }
        let t3 = Instant::now();
        wire.clear();
        loop { let n = b.link.transmit(Time(now + 10_000), &mut b.session, &mut b.record, |p| wire.push(p.to_vec())); if n == 0 { break; } }
        for w in &wire { let s = &mut a.session; a.link.receive(Time(now + 20_000), w, s, &mut |_| {}); }
        let t4 = Instant::now();
        t_sub += (t1 - t).as_nanos(); t_tx += (t2 - t1).as_nanos(); t_rx += (t3 - t2).as_nanos(); t_ack += (t4 - t3).as_nanos();
    }
    let per = |t: u128| t as f64 / total as f64;
    println!("submit {:.1} transmit {:.1} receive {:.1} ack {:.1} ns", per(t_sub), per(t_tx), per(t_rx), per(t_ack));
}
