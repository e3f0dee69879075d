/** Acts on the decision about a record, not on its repeats; after an error it still counts. Keep `highest` with your offsets. */
export async function actOnce(highest: Map<string, number>, decisionId: string, act: () => Promise<void>) {
  const colon = decisionId.lastIndexOf(':');
  const [partition, offset] = [decisionId.slice(0, colon), Number(decisionId.slice(colon + 1))];
  if (offset <= (highest.get(partition) ?? -1)) return;
  await act();
  highest.set(partition, offset);
}
