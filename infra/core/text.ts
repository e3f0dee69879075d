/** Texts for a terminal. Pure. */

/** A cell of a table; numbers stand to the right. */
type Cell = string | number;

/** Rows as aligned columns under their names: numbers to the right, all else to the left. */
export function alignColumns(header: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const widths = header.map((name, column) =>
    rows.reduce((width, row) => Math.max(width, String(row[column] ?? '').length), name.length),
  );
  const line = (cells: readonly Cell[]) =>
    cells
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return typeof cell === 'number' ? String(cell).padStart(width) : cell.padEnd(width);
      })
      .join('  ')
      .trimEnd();
  return [header, ...rows].map(line).join('\n');
}

/** `42 s`, `7 min`, `3.2 h`, `5.0 d`. */
export function humanDuration(ms: number): string {
  const seconds = ms / 1000;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${(seconds / 3_600).toFixed(1)} h`;
  return `${(seconds / 86_400).toFixed(1)} d`;
}

/** The last `length` characters of a text, without blank lines. */
export function tidy(text: string, length: number): string {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .join('\n')
    .slice(-length);
}
