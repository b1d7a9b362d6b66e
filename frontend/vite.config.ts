// How the dashboard is built (`npm run build`) and served while it is written (`npm run dev`).
import { defineConfig, type Plugin } from "vite";
import { FIRST_LOAD_BYTES, weigh, type Built } from "./tools/budget.ts";

// The laptop's dashboard port, which answers page, API and socket; sign-in takes no other origin.
const target = "http://127.0.0.1:9100";
const headers = { Origin: "http://localhost:9100", Host: "localhost:9100" };

/** Fails the build when the first load is too heavy. */
const budget: Plugin = {
  name: "budget",
  apply: "build",
  writeBundle(_, bundle) {
    const bytes = weigh(bundle as unknown as Record<string, Built>);
    this.info(`first load ${(bytes / 1024).toFixed(1)} of ${FIRST_LOAD_BYTES / 1024} KB gzipped`);
  },
};

export default defineConfig({
  plugins: [budget],
  build: {
    target: "es2022",
    // A data: URI or an inline script would need a wider content security policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 250,
  },
  server: {
    proxy: {
      "/api": { target, headers },
      "/ws": { target, headers, ws: true },
    },
  },
});
