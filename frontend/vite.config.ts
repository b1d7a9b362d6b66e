// How the dashboard is built (`npm run build`) and served while it is written (`npm run dev`).
import { defineConfig } from "vite";

// The laptop's dashboard port, which answers page, API and socket; sign-in takes no other origin.
const target = "http://127.0.0.1:9100";
const headers = { Origin: "http://localhost:9100", Host: "localhost:9100" };

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
      "/api": { target, headers },
      "/ws": { target, headers, ws: true },
    },
  },
});
