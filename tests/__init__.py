"""Tests: one file a module, the pages under AppTest, the app in a browser, and benchmarks."""
