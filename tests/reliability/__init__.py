"""What ``make chaos`` has measured, and the page that tells it: docs/reliability.md."""
