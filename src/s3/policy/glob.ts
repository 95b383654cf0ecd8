/**
 * Patterns of policies: `*`, `?` and, where the policy's version knows them, variables like
 * `${aws:username}`. What a variable stands for is matched as text, never as a pattern.
 *
 * Invariant: matching takes at most pattern × text steps, whatever was written.
 */

const STAR = -1;
const ANY = -2;

type Part = number | { readonly variable: string; readonly fallback: string | undefined };

/** Code units, wildcards as negative numbers, variables still to be filled in. */
export interface Pattern {
  readonly parts: readonly Part[];
  readonly hasVariables: boolean;
  readonly hasWildcards: boolean;
  readonly text: string;
}

/** Value of a variable by its lower-case name; undefined: the request has none. */
export type Variables = (name: string) => string | undefined;

const ESCAPES: Readonly<Record<string, string>> = { '*': '*', '?': '?', $: '$' };
const VARIABLE = /^\$\{\s*([^},]+?)\s*(?:,\s*'([^']*)'\s*)?\}/;

/**
 * `wildcards` false: `*` and `?` stand for themselves (StringEquals). Throws nothing: a `$` that
 * begins no variable is text.
 */
export function compilePattern(
  text: string,
  options: { readonly variables: boolean; readonly wildcards: boolean },
): Pattern {
  const parts: Part[] = [];
  let hasVariables = false;
  let hasWildcards = false;
  for (let at = 0; at < text.length;) {
    const match = options.variables ? VARIABLE.exec(text.slice(at, at + 512)) : null;
    const name = match?.[1];
    if (match !== null && name !== undefined) {
      const escaped = ESCAPES[name];
      if (escaped !== undefined) parts.push(escaped.charCodeAt(0));
      else parts.push({ variable: name.toLowerCase(), fallback: match[2] });
      hasVariables ||= escaped === undefined;
      at += match[0].length;
      continue;
    }
    const char = text[at];
    const wild = options.wildcards && (char === '*' || char === '?');
    if (wild) parts.push(char === '*' ? STAR : ANY);
    else parts.push(text.charCodeAt(at));
    hasWildcards ||= wild;
    at += 1;
  }
  return { parts, hasVariables, hasWildcards, text };
}

/** Code units with every variable filled in; undefined when the request lacks one. */
function expand(pattern: Pattern, variables: Variables): readonly number[] | undefined {
  if (!pattern.hasVariables) return pattern.parts as readonly number[];
  const units: number[] = [];
  for (const part of pattern.parts) {
    if (typeof part === 'number') {
      units.push(part);
      continue;
    }
    const value = variables(part.variable) ?? part.fallback;
    if (value === undefined) return undefined;
    for (let index = 0; index < value.length; index += 1) units.push(value.charCodeAt(index));
  }
  return units;
}

/** A pattern whose variable the request lacks matches nothing. */
export function matchesPattern(pattern: Pattern, text: string, variables: Variables): boolean {
  const units = expand(pattern, variables);
  return units !== undefined && matchesUnits(units, text);
}

/** Greedy with one point to go back to: an earlier star never has to take more. */
function matchesUnits(units: readonly number[], text: string): boolean {
  let at = 0;
  let unit = 0;
  let starUnit = -1;
  let starAt = 0;
  while (at < text.length) {
    const wanted = units[unit];
    if (wanted === STAR) {
      starUnit = unit;
      starAt = at;
      unit += 1;
    } else if (wanted === ANY || wanted === text.charCodeAt(at)) {
      unit += 1;
      at += 1;
    } else if (starUnit >= 0) {
      starAt += 1;
      at = starAt;
      unit = starUnit + 1;
    } else {
      return false;
    }
  }
  while (units[unit] === STAR) unit += 1;
  return unit === units.length;
}
