/** The security officer's page names a test for each claim: all of them, and the files that keep the claims, exist. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';
import { expect, it } from 'vitest';

const root = path.resolve(import.meta.dirname, '../..');
const page = readFileSync(path.join(root, 'docs/threat-model.md'), 'utf8');
/** Claim, kept by, shown by. */
const rows = page.split('\n').filter((line) => /^\| .* \| .* \| .*“/.test(line)).map((line) => line.split(' | '));

/** What a test file calls its tests and groups, as written there, placeholders included. */
function titlesOf(file: string): Set<string> {
  const titles = new Set<string>();
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && /^(it|test|describe)\b/.test(node.expression.getText())) {
      const [title] = node.arguments;
      if (title && ts.isStringLiteralLike(title)) titles.add(title.text);
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(file, readFileSync(path.join(root, file), 'utf8'), ts.ScriptTarget.Latest, true));
  return titles;
}

it('every claim names tests that exist', () => {
  const known = new Map<string, Set<string>>();
  const missing: string[] = [];
  for (const [claim, , shown = ''] of rows) {
    let file: string | undefined;
    for (const [, named, title] of shown.matchAll(/`(test\/[^`]+)`|“([^”]+)”/g)) {
      if (named !== undefined) {
        file = named;
        if (!existsSync(path.join(root, file))) missing.push(file);
        else if (!known.has(file)) known.set(file, titlesOf(file));
      } else if (file === undefined || !known.get(file)?.has(title!)) missing.push(`${file} “${title}”: ${claim}`);
    }
  }
  expect(missing).toEqual([]);
  expect([...known.values()].every(({ size }) => size > 0)).toBe(true);
});

it('every row of the tables of claims has a place and a test', () => {
  const tables = page.split('\n## ').filter((section) => section.includes('| claim | kept by | shown by |'));
  const claims = tables.flatMap((section) => section.split('\n').filter((line) => line.startsWith('| ') && !line.startsWith('| claim')));
  expect(claims.length).toBeGreaterThan(40);
  expect(claims.filter((line) => !/`test\/[^`]+\.test\.ts` “/.test(line))).toEqual([]);
  const kept = rows.flatMap(([, place = '']) => [...place.matchAll(/`([^`]+)`/g)].map(([, name]) => name!));
  expect(kept.filter((name) => !existsSync(path.join(root, name)))).toEqual([]);
});
