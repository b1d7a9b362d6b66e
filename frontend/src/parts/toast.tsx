// Short words at the edge of the page on what a click did. Errors stay where they were made instead.
import { Cell } from "../store/cell";
import { useCell } from "../store/hooks";

type ToastTone = "good" | "bad" | "plain";

interface Toast {
  id: number;
  tone: ToastTone;
  text: string;
}

const SHOWN_MS = 6_000;
const SHAPES: Record<ToastTone, string> = { good: "✓", bad: "✕", plain: "·" };
const CLASSES: Record<ToastTone, string> = { good: "toast good", bad: "toast bad", plain: "toast" };
const shown = new Cell<readonly Toast[]>([]);
let count = 0;

export function toast(tone: ToastTone, text: string): void {
  count += 1;
  const id = count;
  shown.set([...shown.value.slice(-3), { id, tone, text }]);
  setTimeout(() => shown.set(shown.value.filter((each) => each.id !== id)), SHOWN_MS);
}

/** Stands once in the frame. */
export const Toasts = () => (
  <div class="toasts" role="status" aria-live="polite" data-testid="toasts">
    {useCell(shown).map(({ id, tone, text }) => (
      <p key={id} class={CLASSES[tone]}>
        <span class="shape" aria-hidden="true">
          {SHAPES[tone]}
        </span>
        {text}
      </p>
    ))}
  </div>
);
