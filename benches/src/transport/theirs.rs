//! What others offer for the same task, each as its documentation shows it, over mutual TLS 1.3
//! with the same certificates: gRPC (`tonic`), QUIC (`quinn`), calls (`tarpc`).

pub mod calls;
pub mod grpc;
pub mod papers;
pub mod quic;

/// So many tasks that ask, and what all of their answers took.
async fn side_by_side<F>(tasks: u64, asking: impl Fn() -> F) -> Vec<u64>
where
    F: Future<Output = Vec<u64>> + Send + 'static,
{
    let tasks: Vec<_> = (0..tasks).map(|_| tokio::spawn(asking())).collect();
    let mut spans = Vec::new();
    for task in tasks {
        spans.extend(task.await.expect("it ran"));
    }
    spans
}
