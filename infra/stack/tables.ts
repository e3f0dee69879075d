/** Rows as aligned columns under their names, for a terminal. Pure. */
export function alignColumns(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((name, column) =>
    Math.max(name.length, ...rows.map((row) => (row[column] ?? '').length)),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  return [header, ...rows].map(line).join('\n');
}

/** `42 s`, `7 min`, `3.2 h`, `5.0 d`. Pure. */
export function humanDuration(ms: number): string {
  const seconds = ms / 1000;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${(seconds / 3_600).toFixed(1)} h`;
  return `${(seconds / 86_400).toFixed(1)} d`;
}

/** The last `length` characters of a text, without blank lines. Pure. */
export function tidy(text: string, length: number): string {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .join('\n')
    .slice(-length);
}
