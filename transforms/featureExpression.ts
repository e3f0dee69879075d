import { OPERATIONS, type Operation, type ValueType } from './featureOperations.ts';

/**
 * Expressions of features: numbers, 'texts', names, `or and not`, comparisons, `+ - * / %`, parentheses
 * and calls of `OPERATIONS`. One tree, from which SQL and the stream's function are made. Pure; no I/O.
 */
export type Expression =
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'text'; readonly value: string }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'call'; readonly operation: string; readonly args: readonly Expression[] };

/** @throws Error that says what is wrong with the text */
export function parseExpression(text: string): Expression {
  const tokens = tokenize(text);
  let at = 0;
  const take = (...wanted: readonly string[]): string | undefined => {
    const token = tokens[at];
    if (token === undefined || !wanted.includes(token)) return undefined;
    at += 1;
    return token;
  };
  const demand = (wanted: string): void => {
    if (take(wanted) === undefined) throw new Error(`'${wanted}' expected, not ${tokens[at] ?? 'the end'}`);
  };
  const binary = (operators: readonly string[], next: () => Expression) => (): Expression => {
    let left = next();
    for (let operator = take(...operators); operator !== undefined; operator = take(...operators)) {
      left = call(operator, left, next());
    }
    return left;
  };
  const primary = (): Expression => {
    const token = tokens[at];
    if (token === undefined) throw new Error('it ends too early');
    at += 1;
    if (token === '(') {
      const inner = disjunction();
      demand(')');
      return inner;
    }
    if (token.startsWith("'")) return { kind: 'text', value: token.slice(1, -1).replaceAll("''", "'") };
    if (/^\d/.test(token)) return { kind: 'number', value: Number(token) };
    if (!/^[a-z]/.test(token)) throw new Error(`'${token}' is out of place`);
    if (take('(') === undefined) return { kind: 'name', name: token };
    const args = [disjunction()];
    while (take(',') !== undefined) args.push(disjunction());
    demand(')');
    return call(token, ...args);
  };
  const unary = (): Expression => (take('-') === undefined ? primary() : call('negate', unary()));
  const sum = binary(['+', '-'], binary(['*', '/', '%'], unary));
  const comparison = binary(['<=', '>=', '<>', '<', '>', '='], sum);
  const negation = (): Expression => (take('not') === undefined ? comparison() : call('not', negation()));
  const disjunction = binary(['or'], binary(['and'], negation));
  const whole = disjunction();
  if (at < tokens.length) throw new Error(`'${tokens[at]}' is out of place`);
  return whole;
}

/** The type of an expression's value. @throws Error that says what does not fit */
export function typeOf(expression: Expression, types: ReadonlyMap<string, ValueType>): ValueType {
  if (expression.kind === 'number') return 'number';
  if (expression.kind === 'text') return 'text';
  if (expression.kind === 'name') {
    const type = types.get(expression.name);
    if (type === undefined) {
      throw new Error(`there is no '${expression.name}', only ${[...types.keys()].join(', ')}`);
    }
    return type;
  }
  const { operation: name, args } = expression;
  const operation = operationOf(name);
  const given = args.map((arg) => typeOf(arg, types)).join(', ');
  const fits = operation.takes.some((wanted) => wanted.join(', ') === given);
  if (!fits) throw new Error(`'${name}' does not take (${given})`);
  return operation.gives;
}

/** The distinct names in an expression. */
export function namesIn(expression: Expression): Set<string> {
  if (expression.kind === 'name') return new Set([expression.name]);
  return new Set(expression.kind === 'call' ? expression.args.flatMap((arg) => [...namesIn(arg)]) : []);
}

/** The operation of a call. @throws Error that lists those there are */
export function operationOf(name: string): Operation {
  const operation = OPERATIONS.get(name);
  if (operation !== undefined) return operation;
  throw new Error(`there is no operation '${name}', only ${[...OPERATIONS.keys()].join(' ')}`);
}

// === Helpers ===

const TOKEN = /\s*(\d+(?:\.\d+)?|[a-z][a-z0-9_]*|'(?:[^']|'')*'|<=|>=|<>|[-+*/%<>=(),])/y;

function tokenize(text: string): string[] {
  const tokens: string[] = [];
  TOKEN.lastIndex = 0;
  let end = 0;
  for (let match = TOKEN.exec(text); match !== null; match = TOKEN.exec(text)) {
    tokens.push(match[1] as string);
    end = TOKEN.lastIndex;
  }
  const rest = text.slice(end).trim();
  if (rest !== '') throw new Error(`'${rest}' is no part of an expression`);
  return tokens;
}

function call(operation: string, ...args: readonly Expression[]): Expression {
  return { kind: 'call', operation, args };
}
