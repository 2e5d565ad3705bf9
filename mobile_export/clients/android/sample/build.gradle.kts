// One activity: camera or photograph, tiers as chips, adaptive runs, frames a second to hold.
plugins {
    alias(libs.plugins.android.application)
}

// The bundle to show: put one into src/main/assets, or name another with -Pbundle=FILE.
val bundle = providers.gradleProperty("bundle")
    .orElse("../../../../assets/models/camvid_exits.tflite")
val copyBundle = tasks.register<Copy>("copyBundle") {
    from(bundle.map { file(it) })
    into(layout.projectDirectory.dir("src/main/assets"))
    rename { "bundle.tflite" }
}

android {
    namespace = "io.tierseg.sample"
    compileSdk = 36

    defaultConfig {
        applicationId = "io.tierseg.sample"
        minSdk = 23
        targetSdk = 36
        versionCode = 1
        versionName = "1"
    }

    androidResources {
        noCompress += "tflite"
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_1_8
        targetCompatibility = JavaVersion.VERSION_1_8
    }
}

tasks.named("preBuild") {
    dependsOn(copyBundle)
}

dependencies {
    implementation(project(":tierseg"))
    implementation(libs.activity)
    implementation(libs.appcompat)
    implementation(libs.camera.camera2)
    implementation(libs.camera.core)
    implementation(libs.camera.lifecycle)
    implementation(libs.material)
}
