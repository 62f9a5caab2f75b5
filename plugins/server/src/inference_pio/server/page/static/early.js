// Runs before the page is drawn, so that a chosen theme does not flash. Modules come too late for that.
try {
  const theme = localStorage.getItem("inference-pio:theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // No storage: the system's theme it is.
}
