"""The table of contents: each page's file and address, and what the navigation calls it. The first one opens."""

PAGES = {
    "overfitting": "What it does",
    "sensitivity": "Why it helps",
    "tuning": "How to choose it",
    "learning-rate": "Learning rate",
    "combinations": "Combinations",
    "architectures": "Architectures",
}
