// What WithMediaPipe.kt calls of MediaPipe Tasks, as its Java sources (mediapipe/tasks/java, 2025)
// declare it: MediaPipe's own archive is in Google's repository alone, and this lets the snippet be
// compiled without it.
@file:Suppress("unused", "UNUSED_PARAMETER")

package com.google.mediapipe.tasks.vision.imageclassifier

import android.content.Context
import com.google.mediapipe.framework.image.MPImage
import com.google.mediapipe.tasks.components.containers.ClassificationResult
import com.google.mediapipe.tasks.core.BaseOptions

abstract class ImageClassifierResult {
    abstract fun classificationResult(): ClassificationResult
}

class ImageClassifier private constructor() : AutoCloseable {
    fun classify(image: MPImage): ImageClassifierResult = throw UnsupportedOperationException()

    override fun close() = throw UnsupportedOperationException()

    abstract class ImageClassifierOptions {
        abstract class Builder {
            abstract fun setBaseOptions(options: BaseOptions): Builder

            abstract fun build(): ImageClassifierOptions
        }

        companion object {
            @JvmStatic
            fun builder(): Builder = throw UnsupportedOperationException()
        }
    }

    companion object {
        @JvmStatic
        fun createFromOptions(context: Context, options: ImageClassifierOptions): ImageClassifier =
            throw UnsupportedOperationException()
    }
}
