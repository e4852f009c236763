import java.security.MessageDigest

plugins {
    alias(libs.plugins.android.application)
}

android {
    namespace = "org.skinedge.demo"
    compileSdk = libs.versions.compileSdk.get().toInt()

    defaultConfig {
        applicationId = "org.skinedge.demo"
        minSdk = libs.versions.minSdk.get().toInt()
        targetSdk = libs.versions.targetSdk.get().toInt()
        versionCode = libs.versions.versionCode.get().toInt()
        versionName = libs.versions.versionName.get()
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_17
        targetCompatibility = JavaVersion.VERSION_17
    }

    // The app maps the model and the native libraries straight from the APK.
    androidResources {
        noCompress += "tflite"
    }
    packaging {
        jniLibs {
            useLegacyPackaging = false
        }
    }

    // One APK per kind of processor, and one for all: TFLite is most of an APK's size.
    splits {
        abi {
            isEnable = true
            reset()
            include("arm64-v8a", "armeabi-v7a", "x86_64")
            isUniversalApk = true
        }
    }
}

dependencies {
    implementation(project(":core"))
    implementation(libs.tflite.runtime)
}

/** Puts the model, its SHA-256 and this repository's licence among the app's assets. */
abstract class StageAssets : DefaultTask() {
    @get:InputFile
    @get:PathSensitive(PathSensitivity.NONE)
    abstract val model: RegularFileProperty

    @get:InputFile
    @get:PathSensitive(PathSensitivity.NONE)
    abstract val licence: RegularFileProperty

    @get:OutputDirectory
    abstract val assets: DirectoryProperty

    @TaskAction
    fun stage() {
        val folder = assets.get().asFile
        val content = model.get().asFile.readBytes()
        val digest = MessageDigest.getInstance("SHA-256").digest(content)
        folder.resolve("model.tflite").writeBytes(content)
        folder.resolve("model.sha256").writeText(digest.joinToString("") { "%02x".format(it) })
        licence.get().asFile.copyTo(folder.resolve("LICENSE.txt"), overwrite = true)
    }
}

androidComponents {
    onVariants { variant ->
        val stageAssets =
            tasks.register<StageAssets>("stage${variant.name.replaceFirstChar(Char::uppercase)}Assets") {
                val repository = rootDir.parentFile
                val given = providers.gradleProperty("model").map { rootDir.resolve(it) }
                model.fileProvider(given.orElse(repository.resolve("src/skinedge/models/edge.tflite")))
                licence.set(repository.resolve("LICENSE"))
            }
        variant.sources.assets?.addGeneratedSourceDirectory(stageAssets, StageAssets::assets)
    }
}
