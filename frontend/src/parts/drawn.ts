// What a component without a state of its own draws, for tests: no browser is needed.
import type { ComponentChildren, VNode } from "preact";

type Drawn = VNode<{ children?: ComponentChildren; class?: string; disabled?: boolean; title?: string; onClick?: () => void; "data-testid"?: string }>;

const isComponent = (type: unknown): type is (given: unknown) => ComponentChildren => typeof type === "function" && type.length > 0;

/** Every element under `node`, in order, components drawn. */
export function elements(node: ComponentChildren): Drawn[] {
  if (Array.isArray(node)) return node.flatMap(elements);
  if (node === null || typeof node !== "object") return [];
  const { type, props } = node as VNode<{ children?: ComponentChildren }>;
  if (isComponent(type)) return elements(type(props));
  return [node as Drawn, ...elements(props.children)];
}

/** The words that a reader sees, one after the other. */
export function words(node: ComponentChildren): string {
  if (Array.isArray(node)) return node.map(words).join("");
  if (typeof node === "string" || typeof node === "number") return String(node);
  if (node === null || typeof node !== "object") return "";
  const { type, props } = node as VNode<{ children?: ComponentChildren }>;
  return words(isComponent(type) ? type(props) : props.children);
}

/** The element with a test's name for it. */
export const named = (node: ComponentChildren, name: string): Drawn | undefined => elements(node).find(({ props }) => props["data-testid"] === name);
