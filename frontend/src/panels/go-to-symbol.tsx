// From any page to any symbol's: a field in the head, which the key "/" leads to.
import { useEffect, useRef } from "preact/hooks";
import type { TargetedSubmitEvent } from "preact";
import { symbolPath } from "../parts/symbol";
import { go } from "../router";
import { useWatchlist } from "./config";

const SYMBOL = "[A-Za-z][A-Za-z0-9.]{0,9}";

/** Whether a key is meant for what has the focus. */
const types = (element: Element | null): boolean => element !== null && element.matches("input, select, textarea, [contenteditable]");

export function GoToSymbol() {
  const known = useWatchlist();
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    function press(event: KeyboardEvent): void {
      const other = event.ctrlKey || event.metaKey || event.altKey || types(document.activeElement) || document.querySelector("dialog[open]");
      if (event.key !== "/" || other) return;
      event.preventDefault();
      field.current?.focus();
    }
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, []);
  function submit(event: TargetedSubmitEvent<HTMLFormElement>): void {
    event.preventDefault();
    const symbol = field.current?.value.trim().toUpperCase();
    if (!field.current || !symbol) return;
    field.current.value = "";
    go(symbolPath(symbol));
  }
  return (
    <form class="go-to-symbol" role="search" onSubmit={submit} autocomplete="off">
      <input ref={field} list="known-symbols" aria-label="Go to symbol" placeholder="Symbol  /" title="Go to a symbol's page; the key / leads here" pattern={SYMBOL} maxLength={10} required spellcheck={false} autocapitalize="characters" data-testid="go-to-symbol" />
      <datalist id="known-symbols">
        {known.map((symbol) => (
          <option key={symbol} value={symbol} />
        ))}
      </datalist>
    </form>
  );
}
