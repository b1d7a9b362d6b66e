// One form field: label, unit, hint and error, tied together for a reader of the screen.
import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";

interface FieldProps {
  id: string;
  "aria-describedby": string | undefined;
  "aria-invalid": "true" | undefined;
}

interface Props {
  label: string;
  unit?: string | undefined;
  hint?: ComponentChildren;
  error?: string | null | undefined;
  children: (props: FieldProps) => ComponentChildren;
}

export function Field({ label, unit, hint, error, children }: Props) {
  const id = useId();
  const told = `${id}-told`;
  const says = Boolean(hint || error);
  return (
    <div class={error ? "field wrong" : "field"}>
      <label for={id}>
        {label}
        {unit && <span class="unit"> {unit}</span>}
      </label>
      {children({ id, "aria-describedby": says ? told : undefined, "aria-invalid": error ? "true" : undefined })}
      {says && (
        <p class="field-told" id={told}>
          {error ? <strong class="down">{error}</strong> : hint}
        </p>
      )}
    </div>
  );
}

/** The foot of a form or dialog. */
export const Buttons = ({ children }: { children: ComponentChildren }) => <div class="buttons">{children}</div>;
