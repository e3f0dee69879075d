/**
 * SQL of models and audits with its references set apart, so that the same text can run over full
 * snapshots, over changed rows or inside a release. Pure; no I/O.
 */

/** What a piece of SQL reads: another model, a table from outside, or a CSV file of constants. */
export interface Reference {
  readonly kind: 'ref' | 'source' | 'seed';
  readonly name: string;
}

type Part =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'reference'; readonly reference: Reference }
  /** `touched(<expressions>)`: true for rows of the keys or partitions that are computed. */
  | { readonly kind: 'touched'; readonly expressions: string };

export interface SqlTemplate {
  readonly parts: readonly Part[];
  /** Distinct, in order of appearance. */
  readonly references: readonly Reference[];
}

export interface SqlBinding {
  /** The relation that stands for a reference. */
  readonly relation: (reference: Reference) => string;
  /** The predicate for `touched(…)`; none: everything is touched. */
  readonly touched?: (expressions: string) => string;
}

const TOKEN =
  /'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|\/\*[\s\S]*?\*\/|\b(ref|source|seed)\s*\(\s*'([^']*)'\s*\)|\btouched\s*\(/g;

/** Takes `ref('…')`, `source('…')`, `seed('…')` and `touched(…)` apart; comments are dropped. */
export function parseSql(sql: string): SqlTemplate {
  const parts: Part[] = [];
  let text = '';
  let at = 0;
  const push = (part: Part): void => {
    if (text !== '') parts.push({ kind: 'text', text });
    text = '';
    parts.push(part);
  };
  for (let match = nextToken(sql, at); match !== null; match = nextToken(sql, at)) {
    text += sql.slice(at, match.index);
    at = match.index + match[0].length;
    const [token, kind, name] = match;
    if (kind !== undefined && name !== undefined) {
      push({ kind: 'reference', reference: { kind: kind as Reference['kind'], name } });
    } else if (token.startsWith('touched')) {
      const end = closingParenthesis(sql, at);
      push({ kind: 'touched', expressions: sql.slice(at, end).trim() });
      at = end + 1;
    } else if (token.startsWith('--') || token.startsWith('/*')) {
      text = text.trimEnd() + (/^\S/.test(sql.slice(at)) ? ' ' : '');
    } else {
      text += token;
    }
  }
  text = (text + sql.slice(at)).trimEnd();
  if (text !== '') parts.push({ kind: 'text', text });
  return { parts, references: distinctReferences(parts) };
}

/** The SQL with every reference replaced by its relation. */
export function renderSql(template: SqlTemplate, binding: SqlBinding): string {
  return template.parts
    .map((part) => {
      if (part.kind === 'text') return part.text;
      if (part.kind === 'reference') return binding.relation(part.reference);
      return binding.touched?.(part.expressions) ?? 'true';
    })
    .join('');
}

/** The SQL in one spelling: equal for texts that differ in comments and white space between tokens. */
export function canonicalSql(template: SqlTemplate): string {
  const spelled = renderSql(template, {
    relation: ({ kind, name }) => `${kind}('${name}')`,
    touched: (expressions) => `touched(${expressions})`,
  });
  return spelled
    .split(/('(?:[^']|'')*'|"(?:[^"]|"")*")/)
    .map((piece, index) => (index % 2 === 1 ? piece : piece.replace(/\s+/g, ' ')))
    .join('')
    .trim();
}

/** Splits at the commas that are outside parentheses and quotes; pieces are trimmed. */
export function splitArguments(text: string): string[] {
  const pieces: string[] = [];
  let depth = 0;
  let piece = '';
  for (const token of text.match(/'(?:[^']|'')*'|"(?:[^"]|"")*"|[\s\S]/g) ?? []) {
    if (token === '(') depth += 1;
    if (token === ')') depth -= 1;
    if (token === ',' && depth === 0) {
      pieces.push(piece.trim());
      piece = '';
    } else {
      piece += token;
    }
  }
  if (piece.trim() !== '') pieces.push(piece.trim());
  return pieces;
}

// === Helpers ===

function nextToken(sql: string, from: number): RegExpExecArray | null {
  TOKEN.lastIndex = from;
  return TOKEN.exec(sql);
}

/** Index of the parenthesis that closes the one opened before `from`; the end of the text if none. */
function closingParenthesis(sql: string, from: number): number {
  let depth = 1;
  const tokens = /'(?:[^']|'')*'|"(?:[^"]|"")*"|[()]/g;
  tokens.lastIndex = from;
  for (let match = tokens.exec(sql); match !== null; match = tokens.exec(sql)) {
    if (match[0] === '(') depth += 1;
    if (match[0] === ')') depth -= 1;
    if (depth === 0) return match.index;
  }
  return sql.length;
}

function distinctReferences(parts: readonly Part[]): Reference[] {
  const seen = new Map<string, Reference>();
  for (const part of parts) {
    if (part.kind !== 'reference') continue;
    seen.set(`${part.reference.kind}:${part.reference.name}`, part.reference);
  }
  return [...seen.values()];
}
