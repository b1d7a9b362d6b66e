// How much of a whole: a bar as wide as its column. Its words stand beside it.

interface Props {
  label: string;
  /** 0 to 1; more is drawn full. */
  share: number;
  tone?: "accent" | "warn" | "down" | "up";
}

export function Bar({ label, share, tone = "accent" }: Props) {
  const width = 100 * Math.min(1, Math.max(0, share));
  return (
    <svg class="bar" viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label={`${label}: ${Math.round(share * 100)} per cent`}>
      <rect class="bar-ground" width="100" height="6" />
      <rect class={tone} width={width} height="6" />
    </svg>
  );
}
