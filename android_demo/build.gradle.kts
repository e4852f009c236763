// Named here, applied in the modules: one class path, so that the Android plugin's built-in Kotlin
// and the JVM module's are the same version.
plugins {
    alias(libs.plugins.android.application) apply false
    alias(libs.plugins.kotlin.jvm) apply false
}
