// How old something is by this computer's clock; it ticks by itself.
import { ageOf, fullWallMoment } from "../format/time";
import { useNow } from "../store/clock";

type Since = number | string | undefined;

/** `12 s ago`. `of` is milliseconds or an ISO time of this world, or a function that tells the newest; `what`
 * happened then stands in the tooltip. */
export function Age({ of, what = "last answer of the API" }: { of: Since | (() => Since); what?: string }) {
  const now = useNow();
  const since = typeof of === "function" ? of() : of;
  if (since === undefined) return null;
  const at = typeof since === "number" ? since : Date.parse(since);
  const seconds = Math.max(0, (now - at) / 1000);
  const iso = new Date(at).toISOString();
  return (
    <time class="age" dateTime={iso} title={`${what}\n${fullWallMoment(iso)}`}>
      {seconds < 5 ? "just now" : `${ageOf(seconds)} ago`}
    </time>
  );
}
