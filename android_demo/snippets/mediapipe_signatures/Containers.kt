package com.google.mediapipe.tasks.components.containers

import java.util.Optional

abstract class Category {
    abstract fun score(): Float

    abstract fun categoryName(): String
}

abstract class Classifications {
    abstract fun categories(): List<Category>

    abstract fun headName(): Optional<String>
}

abstract class ClassificationResult {
    abstract fun classifications(): List<Classifications>
}
