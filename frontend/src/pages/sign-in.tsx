// The door. Also laid over the page when a session has ended, so that nothing below is lost.
import { useEffect, useRef, useState } from "preact/hooks";
import type { TargetedSubmitEvent } from "preact";
import { ApiError } from "../api/client";
import { fetchCanvases } from "../chart/loaded";
import { session } from "../desk";
import { Mark } from "../parts/mark";
import { place } from "../router";
import { useCell } from "../store/hooks";

export function SignIn() {
  const { phase, notice } = useCell(session.state);
  const [error, setError] = useState<ApiError | null>(null);
  const [busy, setBusy] = useState(false);
  const expired = phase === "expired";
  const told = error ?? notice;
  const first = useRef<HTMLInputElement>(null);
  const over = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    // Over a dialog that was open when the session ended, and with the focus.
    over.current?.showModal();
    first.current?.focus();
    // The page behind the door has a chart, whose code may come while the password is typed.
    if (place.value === "/") void fetchCanvases().catch(() => undefined);
  }, []);

  async function submit(event: TargetedSubmitEvent<HTMLFormElement>): Promise<void> {
    event.preventDefault();
    const typed = new FormData(event.currentTarget);
    setBusy(true);
    setError(null);
    try {
      await session.signIn(String(typed.get("username")), String(typed.get("password")));
    } catch (refusal) {
      setError(refusal as ApiError);
      setBusy(false);
    }
  }

  const form = (
    <form class="panel" onSubmit={submit} data-testid="sign-in-form">
      <h1 id="door-title">
        <Mark size={40} /> Alpaquero
      </h1>
      <p class="soft">{expired ? "Your session has ended. Sign in to go on where you were." : "Sign in to see what the bot holds, does and sees."}</p>
      <label>
        Username or e-mail
        <input name="username" autocomplete="username" autocapitalize="none" spellcheck={false} required ref={first} data-testid="sign-in-username" />
      </label>
      <label>
        Password
        <input name="password" type="password" autocomplete="current-password" required data-testid="sign-in-password" />
      </label>
      {told && (
        <p class="notice bad" role="alert" data-testid="sign-in-error">
          {told.message}
          {told.status !== 401 && told.correlationId && (
            <>
              {" "}
              Correlation id <code>{told.correlationId}</code>
            </>
          )}
        </p>
      )}
      <button type="submit" class="chief-button" disabled={busy} data-testid="sign-in-submit">
        {busy ? "Signing in …" : "Sign in"}
      </button>
      <p class="soft hint">
        On a laptop, <code>make run</code> prints the name and password.
      </p>
    </form>
  );
  if (!expired) return <main class="door">{form}</main>;
  return (
    <dialog ref={over} class="door over" aria-labelledby="door-title" onCancel={(event) => event.preventDefault()}>
      {form}
    </dialog>
  );
}
