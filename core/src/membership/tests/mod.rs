//! Tests of the machine through `step`.
