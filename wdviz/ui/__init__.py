"""The app's own parts: the stage that holds the live pictures, controls and pages."""
