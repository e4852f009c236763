import org.jetbrains.kotlin.gradle.dsl.JvmTarget

plugins {
    alias(libs.plugins.kotlin.jvm)
}

java {
    sourceCompatibility = JavaVersion.VERSION_17
    targetCompatibility = JavaVersion.VERSION_17
}

kotlin {
    compilerOptions {
        jvmTarget.set(JvmTarget.JVM_17)
    }
}

// TFLite's types are published as an Android archive only, which a JVM module cannot take as a
// dependency: the classes.jar inside it can be.
val tfliteArchive = configurations.create("tfliteArchive") {
    isCanBeConsumed = false
    isTransitive = false
}
val tfliteTypes = files(
    zipTree(tfliteArchive.elements.map { it.single() }).matching { include("classes.jar") },
)

val desktopPlatform = providers.gradleProperty("desktopPlatform").orElse("linux-x86_64").get()

dependencies {
    tfliteArchive(libs.tflite.api) { artifact { type = "aar" } }
    compileOnly(tfliteTypes)
    compileOnly(libs.org.json)  // part of Android itself
    implementation(libs.tflite.metadata)

    testImplementation(tfliteTypes)
    testImplementation(libs.org.json)
    testImplementation(libs.junit)
    testImplementation(libs.tflite.desktop)
    testRuntimeOnly(variantOf(libs.tflite.desktop) { classifier(desktopPlatform) })
    testRuntimeOnly(variantOf(libs.javacpp) { classifier(desktopPlatform) })
}

tasks.test {
    inputs.file(rootDir.resolveSibling("src/skinedge/models/edge.tflite"))
    // -Dskinedge.real=FOLDER adds real images: what tools/golden_android_answers.py --real wrote there.
    providers.systemProperty("skinedge.real").orNull?.let { systemProperty("skinedge.real", it) }
}
