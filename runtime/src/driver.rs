//! The task that owns the [`Node`]: takes what happened from one mailbox, steps, performs the
//! actions.
//!
//! I1: nothing here waits for a connection or the disk; they have their own tasks. I2: records go
//! to the disk in the order of their numbers, one batch per round. I3: after a disk failure the
//! node is never stepped again, and every connection is cut before anything that is queued can
//! leave.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_channel::{Receiver, Sender};
use futures_lite::future::{or, yield_now};
use quorate_core::durable::segments::Writer;
use quorate_core::id::{LinkId, Lsn, NodeId, Peer, Ticket};
use quorate_core::journal::End;
use quorate_core::node::{Action, Answer, Command, Event, Node, Refusal};
use quorate_core::notice::Notice;
use quorate_core::transport::{Hello, Priority, Unacknowledged, VersionRange};
use quorate_core::wire::Message;

use crate::event::{self, ClusterEvent};
use crate::guard;
use crate::journal::Batch;
use crate::link::alarm::Alarm;
use crate::link::{Connection, pump};
use crate::recorder::Recorder;
use crate::seam::Seam;
use crate::shell::Shell;
use crate::trace;

/// Mails the mailbox holds; whoever sends more waits.
pub(crate) const MAILBOX: usize = 1024;
/// Mails stepped before their actions are performed together.
const ROUND: usize = 256;
/// How long connections may take to say goodbye, and the recorder to write what it has.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);
/// How long queued records may take to become durable when the node stops.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(10);

/// What happens to the node.
pub(crate) enum Mail {
    Command {
        command: Command,
        answer: Sender<Result<Answer, Refusal>>,
    },
    LinkUp {
        connection: Arc<Connection>,
        peer: Peer,
        address: SocketAddr,
        dialed: bool,
    },
    LinkDown {
        link: LinkId,
        node: NodeId,
    },
    DialFailed {
        address: SocketAddr,
    },
    Received {
        link: LinkId,
        message: Message,
    },
    Persisted(Lsn),
    DiskStalled,
    DiskFailed {
        reason: String,
    },
    Shutdown,
}

/// Why the driver ends.
enum Ending {
    Shutdown,
    Halted { reason: String },
}

enum Woken {
    Mail(Mail),
    Due,
    Abandoned,
}

/// What the driver is made of.
pub(crate) struct DriverParts<S: Seam> {
    pub(crate) shell: Arc<Shell<S>>,
    pub(crate) node: Node,
    pub(crate) address: SocketAddr,
    pub(crate) mailbox: Receiver<Mail>,
    /// Closes when the last handle is dropped.
    pub(crate) handles: Receiver<Infallible>,
    /// Closes when all tasks of the shell are over.
    pub(crate) tasks: Receiver<Infallible>,
    pub(crate) journal: Sender<Batch>,
    /// Closes when the journal's task is over.
    pub(crate) journal_over: Receiver<Infallible>,
    pub(crate) recorder: Recorder,
    /// Closes when the recorder's task is over.
    pub(crate) recorder_over: Receiver<Infallible>,
    /// Waits here until the node has started.
    pub(crate) listener: Option<S::Listener>,
    /// Told when the node has started.
    pub(crate) started: Sender<()>,
}

pub(crate) struct Driver<S: Seam> {
    parts: DriverParts<S>,
    connections: BTreeMap<LinkId, Arc<Connection>>,
    waiting: BTreeMap<Ticket, Sender<Result<Answer, Refusal>>>,
    next_ticket: Ticket,
    actions: Vec<Action>,
    /// Connections that got something in this round.
    touched: BTreeSet<LinkId>,
    records: Writer,
    last: Lsn,
    /// Why the node can go on no more.
    halted: Option<String>,
}

impl<S: Seam> Driver<S> {
    /// Writes on behind the log that `records` was made for.
    pub(crate) fn new(parts: DriverParts<S>, records: Writer) -> Driver<S> {
        Driver {
            parts,
            connections: BTreeMap::new(),
            waiting: BTreeMap::new(),
            next_ticket: Ticket(1),
            actions: Vec::new(),
            touched: BTreeSet::new(),
            records,
            last: Lsn::default(),
            halted: None,
        }
    }

    /// Runs the node until it is shut down, abandoned, or has to halt.
    pub(crate) async fn run(mut self) {
        let ending = self.drive().await;
        self.wind_down(ending).await;
    }

    async fn drive(&mut self) -> Ending {
        // The first step asks for the boot record.
        self.step(Event::Tick);
        self.perform();
        if let Some(reason) = self.halted.take() {
            return Ending::Halted { reason };
        }
        let shell = self.parts.shell.clone();
        let mut alarm = Alarm::new(&shell.seam);
        loop {
            match self.wait(&mut alarm).await {
                Woken::Abandoned => return Ending::Shutdown,
                Woken::Due => self.step(Event::Tick),
                Woken::Mail(mail) => {
                    if let Some(ending) = self.take_round(mail) {
                        return ending;
                    }
                }
            }
            self.perform();
            if let Some(reason) = self.halted.take() {
                return Ending::Halted { reason };
            }
        }
    }

    async fn wait(&self, alarm: &mut Alarm<'_, S>) -> Woken {
        let deadline = self.parts.node.deadline().map(|deadline| deadline.at);
        if deadline.is_some_and(|at| at <= self.parts.shell.seam.now()) {
            // Mail goes first, so that a burst of it cannot look like silence; others may run
            // before that.
            yield_now().await;
        }
        let mail = async {
            match self.parts.mailbox.recv().await {
                Ok(mail) => Woken::Mail(mail),
                Err(_) => Woken::Abandoned,
            }
        };
        let due = async {
            alarm.until(deadline).await;
            Woken::Due
        };
        let abandoned = async {
            let _closed = self.parts.handles.recv().await;
            Woken::Abandoned
        };
        or(mail, or(due, abandoned)).await
    }

    /// Steps the node with a mail and what else has gathered.
    fn take_round(&mut self, first: Mail) -> Option<Ending> {
        let mut next = Some(first);
        let mut taken = 0;
        while let Some(mail) = next {
            if let Some(ending) = self.take(mail) {
                return Some(ending);
            }
            taken += 1;
            next = if taken < ROUND {
                self.parts.mailbox.try_recv().ok()
            } else {
                None
            };
        }
        let now = self.parts.shell.seam.now();
        if self
            .parts
            .node
            .deadline()
            .is_some_and(|deadline| deadline.at <= now)
        {
            self.step(Event::Tick);
        }
        None
    }

    fn take(&mut self, mail: Mail) -> Option<Ending> {
        let event = match mail {
            Mail::Command { command, answer } => {
                let ticket = self.next_ticket;
                self.next_ticket = ticket.next();
                self.waiting.insert(ticket, answer);
                Event::Command { ticket, command }
            }
            Mail::LinkUp {
                connection,
                peer,
                address,
                dialed,
            } => {
                let link = connection.id();
                self.connections.insert(link, connection.clone());
                self.parts.shell.directory.add(connection, address);
                Event::LinkUp {
                    link,
                    peer,
                    address,
                    dialed,
                }
            }
            Mail::LinkDown { link, node } => {
                self.connections.remove(&link);
                self.parts.shell.directory.remove(node, link);
                Event::LinkDown { link }
            }
            Mail::DialFailed { address } => Event::DialFailed { address },
            Mail::Received { link, message } => Event::Received { link, message },
            Mail::Persisted(lsn) => Event::Persisted(lsn),
            Mail::DiskStalled => Event::DiskStalled,
            Mail::DiskFailed { reason } => return Some(Ending::Halted { reason }),
            Mail::Shutdown => return Some(Ending::Shutdown),
        };
        self.step(event);
        None
    }

    fn step(&mut self, event: Event) {
        let now = self.parts.shell.seam.now();
        let before = self.actions.len();
        self.parts.recorder.before(now, &event);
        self.parts.node.step(now, event, &mut self.actions);
        self.parts.recorder.after(&self.actions[before..]);
    }

    /// Performs what the steps of this round asked for.
    fn perform(&mut self) {
        let mut actions = std::mem::take(&mut self.actions);
        for action in actions.drain(..) {
            match action {
                Action::Send {
                    link,
                    to: _,
                    priority,
                    message,
                } => {
                    self.send(link, priority, &message);
                }
                Action::Dial { address, expected } => self.dial(address, expected),
                Action::Hangup { link } => self.hang_up(link),
                Action::Persist { lsn, record } => {
                    self.records.push(lsn, &record);
                    self.last = lsn;
                }
                Action::Reply { ticket, answer } => {
                    if let Some(waiting) = self.waiting.remove(&ticket) {
                        let _caller_gone = waiting.try_send(answer);
                    }
                }
                Action::PublishRoutes(routes) => self.parts.shell.publish(routes),
                Action::Notify(notice) => self.note(&notice),
                Action::Halt(unfit) => self.halted = Some(unfit.to_string()),
            }
        }
        self.actions = actions;
        let metrics = self.parts.node.view().metrics();
        self.parts.shell.publish_metrics(metrics);
        self.hand_over();
    }

    /// Gives this round's records to the disk and wakes this round's writers.
    fn hand_over(&mut self) {
        self.parts.recorder.hand_over();
        let writes = self.records.take();
        if !writes.is_empty() {
            let batch = Batch {
                last: self.last,
                writes,
            };
            // A closed queue means that the disk failed, and the mail that says so is on its way.
            let _disk_failed = self.parts.journal.try_send(batch);
        }
        for link in std::mem::take(&mut self.touched) {
            if let Some(connection) = self.connections.get(&link) {
                connection.peer().flush();
            }
        }
    }

    fn send(&mut self, link: LinkId, priority: Priority, message: &Message) {
        let Some(connection) = self.connections.get(&link) else {
            return;
        };
        let mut body = Vec::new();
        let code = message.encode(&mut body);
        let frame = Unacknowledged::Node {
            code,
            body: body.into(),
        };
        match connection.submit_quietly(priority, frame) {
            Ok(()) => {
                self.touched.insert(link);
            }
            Err(error) => {
                let (node, to) = (self.parts.shell.name.node, connection.node());
                tracing::debug!(%node, %to, ?error, "a message of the node was not sent");
            }
        }
    }

    fn dial(&self, address: SocketAddr, expected: Option<NodeId>) {
        let shell = &self.parts.shell;
        shell.spawn(pump::dial(shell.clone(), address, expected, true));
    }

    fn hang_up(&mut self, link: LinkId) {
        if let Some(connection) = self.connections.get(&link) {
            self.parts.shell.directory.remove(connection.node(), link);
            connection.close();
        }
    }

    fn note(&mut self, notice: &Notice) {
        let shell = &self.parts.shell;
        trace::notice(shell.name.node, notice);
        if let Some(event) = event::of_notice(notice) {
            shell.announcer.announce(shell.seam.now(), event);
        }
        if let Notice::Started { incarnation } = notice {
            let _only_once = shell.hello.set(Hello {
                versions: VersionRange::OURS,
                cluster: shell.name.cluster.clone(),
                peer: Peer {
                    node: shell.name.node,
                    boot: incarnation.boot(),
                },
                address: self.parts.address,
            });
            if let Some(listener) = self.parts.listener.take() {
                shell.spawn(guard::watch(shell.clone()));
                shell.spawn(pump::accept(shell.clone(), listener));
            }
            let _nobody_waits = self.parts.started.try_send(());
        }
    }

    /// Ends the connections and the tasks; what is queued for the disk still gets there.
    async fn wind_down(self, ending: Ending) {
        let Driver {
            mut parts, waiting, ..
        } = self;
        let shell = parts.shell.clone();
        match ending {
            Ending::Shutdown => {
                parts.recorder.end(End::Stopped);
                shell.stop();
            }
            Ending::Halted { reason } => {
                parts.recorder.end(End::Halted);
                shell.halt();
                tracing::error!(node = %shell.name.node, %reason, "halted");
                let _only_once = shell.halted.set(reason.clone());
                shell
                    .announcer
                    .announce(shell.seam.now(), ClusterEvent::Halted { reason });
            }
        }
        drop(waiting);
        parts.mailbox.close();
        while parts.mailbox.try_recv().is_ok() {}
        let _late = shell.seam.within(STOP_TIMEOUT, parts.tasks.recv()).await;
        parts.journal.close();
        let _late = shell
            .seam
            .within(FLUSH_TIMEOUT, parts.journal_over.recv())
            .await;
        let _late = shell
            .seam
            .within(STOP_TIMEOUT, parts.recorder_over.recv())
            .await;
    }
}

/// However the driver ends, with a panic too, its tasks end and nobody waits for it in vain.
impl<S: Seam> Drop for DriverParts<S> {
    fn drop(&mut self) {
        self.mailbox.close();
        self.shell.stop();
        self.shell.fall_silent();
    }
}
