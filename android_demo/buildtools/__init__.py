"""Builds, tests, signs and verifies the demo's APK with tools that package registries carry."""
