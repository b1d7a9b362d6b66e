// What is being typed, once the hands rest: each key would else be a question to the API.
import { useEffect, useState } from "preact/hooks";

const REST_MS = 400;

/** `value` as it was when it last stayed the same for a moment; at first as it is. */
export function useSettled<T>(value: T): T {
  const [settled, settle] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => settle(value), REST_MS);
    return () => clearTimeout(timer);
  }, [value]);
  return settled;
}
