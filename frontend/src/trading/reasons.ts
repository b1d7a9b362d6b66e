// What each rule said of a refused order. Pure.
import type { Refusal } from "../api/bodies";
import { plain } from "../parts/figures";

export interface Reason {
  rule: string;
  says: string;
}

/** One reason a rule, at least one; the API joins their sentences in the order of the codes. */
export function reasonsOf({ codes, message }: Pick<Refusal, "codes" | "message">): Reason[] {
  const says = message.split("; ");
  if (codes.length < 2 || says.length !== codes.length) return [{ rule: codes.map(plain).join(", "), says: message }];
  return codes.map((code, n) => ({ rule: plain(code), says: says[n]! }));
}
