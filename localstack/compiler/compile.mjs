// Compiles the Python files below a folder as `python -m compileall` of CPython 3.13 does, on WebAssembly.
// localstack/laptop/bytecode.py calls it: node compile.mjs --version, or node compile.mjs FOLDER SHOWN_AS.
import { loadPyodide } from "pyodide";

const [folder, shownAs] = process.argv.slice(2);
const python = await loadPyodide({ env: { PYTHONHASHSEED: "0" } });
if (folder === "--version") {
  python.runPython("import platform; print(platform.python_version())");
} else {
  python.FS.mkdirTree("/folder");
  python.FS.mount(python.FS.filesystems.NODEFS, { root: folder }, "/folder");
  python.globals.set("shown_as", shownAs);
  const compiled = python.runPython(`
import compileall, py_compile
compileall.compile_dir(
    "/folder", maxlevels=99, quiet=1, force=True, stripdir="/folder", prependdir=shown_as,
    invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
)
`);
  process.exitCode = compiled ? 0 : 1;
}
