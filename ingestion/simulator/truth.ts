/** What only the simulator knows about an event; it goes to reports and labels, never into the stream. */
export interface Truth {
  readonly eventId: string;
  readonly pattern: string;
  readonly fraud: boolean;
  readonly sequenceId: number;
  /** From 0. */
  readonly position: number;
}
