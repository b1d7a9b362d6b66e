// How the dashboard is built (`npm run build`) and served while it is written (`npm run dev`).
import { defineConfig } from "vite";

// The port that answers page, API and socket on one origin; 9100 is the laptop's dashboard port.
const origin = "http://127.0.0.1:9100";

export default defineConfig({
  build: {
    target: "es2022",
    // A data: URI or an inline script would need a wider content security policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 250,
  },
  server: {
    proxy: {
      "/api": { target: origin },
      "/ws": { target: origin, ws: true },
    },
  },
});
