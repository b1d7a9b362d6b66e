// A modal dialog of the browser's own: it holds the focus, Escape closes it, and the focus goes back.
import type { ComponentChildren, TargetedSubmitEvent } from "preact";
import { useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import { useSend } from "../store/send";
import { Buttons, Field } from "./form";
import { ErrorNotice } from "./panel";

interface DialogProps {
  title: string;
  onClose: () => void;
  testid?: string;
  children: ComponentChildren;
}

export function Dialog({ title, onClose, testid, children }: DialogProps) {
  const id = useId();
  const element = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    element.current?.showModal();
    return () => before?.focus();
  }, []);
  return (
    <dialog ref={element} class="dialog" aria-labelledby={id} data-testid={testid} onClose={onClose}>
      <header class="panel-head">
        <h2 id={id}>{title}</h2>
        <button type="button" class="quiet" aria-label="Close" onClick={() => element.current?.close()}>
          ✕
        </button>
      </header>
      {children}
    </dialog>
  );
}

/** What the API asks of a reason. */
const SHORTEST_REASON = 3;

interface ConfirmProps {
  title: string;
  text: ComponentChildren;
  confirm: string;
  tone?: "bad" | "plain";
  /** Asks for a reason, which the books keep. */
  reason?: boolean;
  children?: ComponentChildren;
  onConfirm: (reason: string) => Promise<unknown>;
  onClose: () => void;
}

/** Asks before something that matters; stays open with the refusal when the API refuses. */
export function Confirm({ title, text, confirm, tone = "plain", reason = false, children, onConfirm, onClose }: ConfirmProps) {
  const [why, setWhy] = useState("");
  const { busy, error, run } = useSend();
  async function submit(event: TargetedSubmitEvent<HTMLFormElement>): Promise<void> {
    event.preventDefault();
    const done = await run(async () => {
      await onConfirm(why.trim());
      return true;
    });
    if (done) onClose();
  }
  return (
    <Dialog title={title} onClose={onClose} testid="confirm">
      <form class="form" onSubmit={submit}>
        <div>{text}</div>
        {children}
        {reason && (
          <Field label="Reason" hint="Kept with the change.">
            {(props) => (
              <input {...props} autofocus required minLength={SHORTEST_REASON} maxLength={200} value={why} onInput={(event) => setWhy(event.currentTarget.value)} data-testid="confirm-reason" />
            )}
          </Field>
        )}
        {error && <ErrorNotice error={error} what="change" />}
        <Buttons>
          <button type="button" class="quiet" onClick={onClose}>
            Back
          </button>
          <button type="submit" class={tone === "bad" ? "danger-button" : "chief-button"} disabled={busy} data-testid="confirm-submit">
            {busy ? "Sending …" : confirm}
          </button>
        </Buttons>
      </form>
    </Dialog>
  );
}
