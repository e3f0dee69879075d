/** How Node runs our processes. */
export const NODE_FLAGS: readonly string[] = [
  // The Kafka client's idle loop computes negative waits.
  '--disable-warning=TimeoutNegativeWarning',
  // The nursery would grow to 128 MB under load and never shrink; this costs no throughput.
  '--max-semi-space-size=16',
];
