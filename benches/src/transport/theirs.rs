//! What others offer for the same task, each as its documentation shows it, over mutual TLS 1.3
//! with the same certificates: gRPC (`tonic`), QUIC (`quinn`), calls (`tarpc`).

pub mod calls;
pub mod grpc;
pub mod papers;
pub mod quic;
