export interface Tree {
  readonly tag: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: readonly (Tree | string)[];
}
type Child = Tree | string | number | false | null | undefined | readonly Child[];
export function h(tag: string, attributes?: Record<string, unknown>, ...children: Child[]): Tree;
