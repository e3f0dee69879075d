/** A partition of one incarnation of a topic. */
export interface PartitionIdentity {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
}

/** `<topic>@<topic id>:<partition>`, as txns, closings and starts spell it. Pure. */
export function partitionName({ topic, topicId, partition }: PartitionIdentity): string {
  return `${topic}@${topicId}:${partition}`;
}
